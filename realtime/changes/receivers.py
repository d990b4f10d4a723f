"""Django's signals of announced models, turned into changes."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from django.apps import apps
from django.db import router
from django.db.models import Model
from django.db.models.signals import (
    class_prepared,
    m2m_changed,
    post_init,
    post_save,
    pre_delete,
    pre_save,
)

from .announcing import address_of, failed, tell
from .declarations import Declaration, declarations_of, declared
from .memory import Memory, as_saved, memory_of, remember, unread, values_of
from .transactions import Change, register


def listen(declaration: Declaration) -> None:
    """Hear of the model's rows, and of those of its subclasses."""
    _keep_up_with_refreshes(declaration.model)
    for model in _with_subclasses(declaration.model):
        _connect(model)
    if apps.models_ready:
        listen_to_relations()


def listen_to_relations() -> None:
    """Hear of many-to-many relations; to be called when all models are there."""
    for declaration in declared():
        for field in declaration.model._meta.many_to_many:
            through = field.remote_field.through
            m2m_changed.connect(_relation_changed, sender=through, dispatch_uid=__name__)


def _with_subclasses(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for subclass in model.__subclasses__():
        yield from _with_subclasses(subclass)


def _connect(model: type[Model]) -> None:
    if model._meta.abstract:
        return
    post_init.connect(_loaded, sender=model, dispatch_uid=__name__)
    pre_save.connect(_about_to_save, sender=model, dispatch_uid=__name__)
    post_save.connect(_saved, sender=model, dispatch_uid=__name__)
    pre_delete.connect(_about_to_delete, sender=model, dispatch_uid=__name__)


def _prepared(sender: type[Model], **kwargs: Any) -> None:
    declarations_of.cache_clear()
    if declarations_of(sender):  # a subclass of an announced model
        _connect(sender)


class_prepared.connect(_prepared, dispatch_uid=__name__)


def _keep_up_with_refreshes(model: Any) -> None:
    """Let what refresh_from_db read count as loaded. It sends no signal, and may be overridden."""
    refresh = model.refresh_from_db
    if hasattr(refresh, "is_announced"):
        return

    @functools.wraps(refresh)
    def refresh_from_db(
        self: Model, using: str | None = None, fields: Iterable[str] | None = None, **options: Any
    ) -> None:
        names = None if fields is None else list(fields)
        refresh(self, using=using, fields=names, **options)
        remember(self, names)

    refresh_from_db.is_announced = True  # type: ignore[attr-defined]
    model.refresh_from_db = refresh_from_db


def _harmless(receiver: Callable[..., None]) -> Callable[..., None]:
    """What fails in announcing a row never stands in the way of saving it."""

    @functools.wraps(receiver)
    def received(sender: type[Model], **facts: Any) -> None:
        try:
            receiver(sender, **facts)
        except Exception:
            failed(f"a change of {sender._meta.label}")

    return received


def _loaded(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    instance._state.realtime = Memory(values_of(instance))  # type: ignore[attr-defined]


def _about_to_save(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    if instance._state.adding:  # what its constructor was given was never in the database
        memory_of(instance).committed = None


@_harmless
def _saved(
    sender: type[Model],
    instance: Model,
    created: bool,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    if raw:  # loaddata
        return
    written = values_of(instance, update_fields) | _primary_key(instance)
    before = None if created else _before(instance)
    if not created:
        written |= unread(instance, before or {})
    change = Change(
        kind="created" if created else "updated",
        keys=keys_of(instance, declarations_of(sender)),
        instance=instance,
        before=before,
        written=written,
    )
    register(change, using, tell)


def _primary_key(instance: Model) -> dict[str, Any]:
    key = cast(Any, instance._meta.pk).attname
    return {key: getattr(instance, key)}


def _before(instance: Model) -> dict[str, Any] | None:
    """The row as it was last known, unless that was another row."""
    before = memory_of(instance).latest()
    pk = cast(Any, instance._meta.pk).attname
    return before if before is not None and before.get(pk) == instance.pk else None


@_harmless
def _about_to_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    # Django sends it for the row of each parent, too, which is told in the same event; and before
    # anything is deleted, so that whatever `to` follows is still there.
    concerned = declarations_of(sender)
    before = _before(instance) or values_of(instance)
    change = Change(
        kind="deleted", keys=keys_of(instance, concerned), instance=instance, before=before
    )
    as_it_was = as_saved(instance, before, using)
    for declaration in concerned:
        try:
            change.addresses[declaration] = address_of(declaration, as_it_was)
        except Exception:
            failed(f"the deletion of {sender._meta.label} {instance.pk}", declaration)
    register(change, using, tell)


@_harmless
def _relation_changed(
    sender: type[Model],
    instance: Model,
    action: str,
    reverse: bool,
    model: type[Model],
    pk_set: set[Any] | None,
    using: str | None = None,
    **kwargs: Any,
) -> None:
    using = using or router.db_for_write(sender, instance=instance)
    for declaration in declared():
        for field in declaration.model._meta.many_to_many:
            if field.remote_field.through is not sender or not declaration.names(field.name):
                continue
            # Another relation may have its rows in the same model, as taggit's have all of them.
            if not issubclass(model if reverse else instance.__class__, field.model):
                continue
            if action in ("post_add", "post_remove") and not pk_set:
                continue
            relations = frozenset([field.name])
            both = getattr(field.remote_field, "symmetrical", False)
            if reverse or both:
                others = _others(field, instance, action, reverse, pk_set, using)
                for pk in others:
                    change = Change(kind="updated", keys={declaration: pk}, relations=relations)
                    register(change, using, tell)
            if not reverse and action in ("post_add", "post_remove", "post_clear"):
                before = _before(instance)
                change = Change(
                    kind="updated",
                    keys=keys_of(instance, [declaration]),
                    instance=instance,
                    before=before,
                    relations=relations,
                    is_unread=before is None,
                )
                register(change, using, tell)


def _others(
    field: Any, instance: Model, action: str, reverse: bool, pk_set: set[Any] | None, using: str
) -> Iterable[Any]:
    """The rows on the other side that an instance was related to, or is now."""
    if action in ("post_add", "post_remove"):
        return sorted(pk_set or ())
    if action != "pre_clear":  # afterwards nobody knows
        return ()
    mine, theirs = field.m2m_field_name(), field.m2m_reverse_field_name()
    if reverse:
        mine, theirs = theirs, mine
    related = field.remote_field.through._base_manager.using(using).filter(**{mine: instance.pk})
    return list(related.values_list(theirs, flat=True))


def keys_of(instance: Model, declarations: Iterable[Declaration]) -> dict[Declaration, Any]:
    """The primary key of an instance, as each declaration's model has it."""
    return {d: getattr(instance, cast(Any, d.model._meta.pk).attname) for d in declarations}
