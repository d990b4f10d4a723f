"""`announce_changes`, and how rows are announced that were written without signals."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypedDict, TypeVar, Unpack, cast, overload

from asgiref.sync import sync_to_async
from django.db import router
from django.db.models import Model, QuerySet

from ..aio.forgotten import noticed
from ..node import rooms
from . import receivers
from .announcing import tell
from .declarations import KINDS, Declaration, declarations_of, register
from .memory import memory_of, values_of
from .transactions import Change
from .transactions import register as register_change

M = TypeVar("M", bound=type[Model])


class Options(TypedDict, total=False):
    """What `announce_changes` takes beside `to`."""

    fields: Collection[str]
    serializer: Callable[[Any], Any] | None
    namespace: str | Callable[[Any], str]
    event: str | None
    when: Callable[[Any, str], Any] | None
    only_changed: bool
    on: Collection[str]
    skip: Any


@overload
def announce_changes(model: M, *, to: Any, **options: Unpack[Options]) -> M: ...
@overload
def announce_changes(*, to: Any, **options: Unpack[Options]) -> Callable[[M], M]: ...
def announce_changes(
    model: Any = None,
    *,
    to: Any,
    fields: Collection[str] = (),
    serializer: Callable[[Any], Any] | None = None,
    namespace: str | Callable[[Any], str] = "/",
    event: str | None = None,
    when: Callable[[Any, str], Any] | None = None,
    only_changed: bool = False,
    on: Collection[str] = KINDS,
    skip: Any = (),
) -> Any:
    """Emit an event whenever a row of a model is created, updated or deleted, after the commit.

    Use it as a class decorator, or call it: `announce_changes(Order, to=..., fields=...)`. The
    events of a model Order are `order:created`, `order:updated` and `order:deleted`.

    - `to` is what `emit` takes, or a function that takes the instance and returns it. If the
      function returns None, nobody gets the event.
    - `fields` are the names of the fields that clients get. Or `serializer` makes what they get: a
      function that takes the instance, or a serializer class of Django REST framework.
    - `namespace` and `skip` are the same as in `emit`, or functions that take the instance.
    - `event` is used instead of "order" in the names of the events.
    - `on` are the kinds to announce: some of "created", "updated" and "deleted".
    - `when(instance, kind)` returns whether to announce this change.
    - `only_changed` sends only the primary key and the changed fields in updated events, and no
      event if nothing changed. It needs `fields`.
    """
    chosen = {"to": to, "namespace": namespace, "when": when, "only_changed": only_changed}

    def declare(model: M) -> M:
        if not (isinstance(model, type) and issubclass(model, Model)) or model._meta.abstract:
            raise TypeError(f"announce_changes is for models that have a table, not {model!r}")
        declaration = Declaration(
            model=model,
            event=cast(str, model._meta.model_name) if event is None else event,
            fields=_checked_fields(model, fields, serializer, only_changed),
            serializer=_callable_of(model, serializer),
            on=_checked_kinds(model, on),
            skip=(skip,) if isinstance(skip, str) else skip,
            **chosen,
        )
        _check_calls(declaration)
        register(declaration)
        receivers.listen(declaration)
        return model

    return declare if model is None else declare(model)


def announce_created(objects: Iterable[Model], *, using: str | None = None) -> None:
    """Announce rows as created, after the commit: pass what `bulk_create` returned.

    `using` is the database whose commit to wait for, by default that of each row. Raises ValueError
    for a row without a primary key.
    """
    for instance in objects:
        if instance.pk is None:
            raise ValueError(
                f"this {type(instance).__name__} has no primary key: bulk_create does not set it"
                " with ignore_conflicts, nor on every database"
            )
        alias = using or instance._state.db or router.db_for_write(type(instance))
        change = Change(
            kind="created",
            keys=receivers.keys_of(instance, _announced(type(instance))),
            instance=instance,
            written=values_of(instance),
        )
        register_change(change, alias, tell)


def announce_updated(
    objects: "Iterable[Model] | QuerySet[Any]", *, using: str | None = None
) -> None:
    """Announce rows as updated, after the commit: those of `update()`, `bulk_update()` or raw SQL.

    The rows are read again after the commit. Instances that were loaded before the update are
    compared with them, so that clients can get only what changed. For a queryset, only the
    primary keys are read immediately. `using` is the database whose commit to wait for.
    """
    if isinstance(objects, QuerySet):
        declarations = _announced(objects.model)
        for pk in objects.values_list("pk", flat=True):
            change = Change(kind="updated", keys=dict.fromkeys(declarations, pk), is_unread=True)
            register_change(change, using or objects.db, tell)
        return
    for instance in objects:
        change = Change(
            kind="updated",
            keys=receivers.keys_of(instance, _announced(type(instance))),
            before=memory_of(instance).latest(),
            is_unread=True,
        )
        alias = using or instance._state.db or router.db_for_write(type(instance))
        register_change(change, alias, tell)


@noticed
async def aannounce_created(objects: Iterable[Model], *, using: str | None = None) -> None:
    """`announce_created` for async code."""
    await sync_to_async(announce_created)(objects, using=using)


@noticed
async def aannounce_updated(
    objects: "Iterable[Model] | QuerySet[Any]", *, using: str | None = None
) -> None:
    """`announce_updated` for async code."""
    await sync_to_async(announce_updated)(objects, using=using)


def _announced(model: type[Model]) -> tuple[Declaration, ...]:
    declarations = declarations_of(model)
    if not declarations:
        raise TypeError(f"{model.__name__} announces nothing: declare it with announce_changes")
    return declarations


def _checked_fields(
    model: type[Model], fields: Collection[str], serializer: Any, only_changed: bool
) -> tuple[str, ...]:
    name = model.__name__
    if isinstance(fields, str):
        raise TypeError(f'{name}: fields must be a list of names, such as ("{fields}",)')
    if bool(fields) == (serializer is not None):
        raise TypeError(f"{name}: say what clients may see, by fields= or by serializer=")
    if only_changed and not fields:
        raise TypeError(f"{name}: only_changed=True needs fields=, to know what changed")
    return tuple(fields)


def _callable_of(model: type[Model], serializer: Any) -> Callable[[Any], Any] | None:
    if serializer is None:
        return None
    if not callable(serializer):
        raise TypeError(
            f"{model.__name__}: serializer must be a function of an instance, or a serializer"
            f" class, not {serializer!r}"
        )
    if isinstance(serializer, type) and not hasattr(serializer, "to_representation"):
        raise TypeError(
            f"{model.__name__}: {serializer.__name__} is not a serializer class of Django REST"
            " framework; to use another class, pass a function of the instance"
        )
    return cast("Callable[[Any], Any]", serializer)


def _checked_kinds(model: type[Model], on: Collection[str]) -> frozenset[str]:
    kinds = {on} if isinstance(on, str) else set(on)
    if not kinds or not kinds <= set(KINDS):
        raise ValueError(f"{model.__name__}: on= must name some of {', '.join(KINDS)}, not {on!r}")
    return frozenset(kinds)


def _check_calls(declaration: Declaration) -> None:
    name = declaration.model.__name__
    if not callable(declaration.to) or isinstance(declaration.to, type):
        rooms.targets(declaration.to)  # which raises RoomError
    if not callable(declaration.namespace) and not str(declaration.namespace).startswith("/"):
        raise ValueError(f"{name}: a namespace must begin with '/': {declaration.namespace!r}")
    takes: Mapping[str, tuple[Any, int]] = {
        "to": (declaration.to, 1),
        "namespace": (declaration.namespace, 1),
        "skip": (declaration.skip, 1),
        "when": (declaration.when, 2),
    }
    for option, (function, count) in takes.items():
        if callable(function):
            _check_signature(f"{name}: {option}", function, count)


def _check_signature(what: str, function: Callable[..., Any], count: int) -> None:
    taken = "the instance" if count == 1 else "the instance and the kind of change"
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{what} must be a plain function, not async: it may use the ORM")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some of those written in C have none
        return
    try:
        signature.bind(*range(count))
    except TypeError:
        raise TypeError(f"{what} must be a function of {taken}") from None
