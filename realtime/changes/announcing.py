"""Rows that a transaction left behind, told to their clients."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from django.db.models import Model

from ..emitters import emit
from ..logs import facts
from ..metrics.counters import count
from ..node import rooms
from .declarations import Declaration, field_of
from .memory import Values, as_saved, values_of
from .payloads import payload_of
from .transactions import Address, Row

logger = logging.getLogger("realtime.changes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One event for some clients; those in the rooms of `skip` get another one, or none."""

    kind: str
    to: Address
    skip: tuple[str, ...] = ()


def tell(rows: list[Row], using: str) -> None:
    """Announce rows whose transaction has committed. A row that fails costs its own events."""
    read = _Reader(rows, using)
    for row in rows:
        try:
            _tell_row(row, read, using)
        except Exception:
            failed(f"a change of {row.declaration.model._meta.label} {row.pk}", row.declaration)


def failed(what: str, declaration: Declaration | None = None) -> None:
    """Log and count the exception at hand, which ends here: the row itself is well."""
    count("emits.failed")
    namespace = None if declaration is None else declaration.namespace
    about = facts(
        namespace=namespace if isinstance(namespace, str) else "",
        event=None if declaration is None else declaration.event,
    )
    logger.exception("%s was not announced", what, extra=about)


def address_of(declaration: Declaration, instance: Any) -> Address:
    """Where a row is told. A function that returns None, or has it in its list, means nobody."""
    to, namespace = declaration.to, declaration.namespace
    if callable(namespace):
        namespace = namespace(instance)
    if not callable(to):
        return Address(namespace=namespace, rooms=rooms.targets(to))
    found = to(instance)
    if found is None:
        return Address(namespace=namespace, rooms=())
    if not isinstance(found, str | Model) and hasattr(found, "__iter__"):
        found = [target for target in found if target is not None]
    names = rooms.targets(found) or ()
    return Address(namespace=namespace, rooms=(*names, *_also(declaration, instance, names)))


def _also(declaration: Declaration, instance: Any, names: tuple[str, ...]) -> Iterator[str]:
    """The room of the announced model's row, where that of a child's is told."""
    if instance.pk is not None and rooms.of_instance(instance) in names:
        key = getattr(instance, cast(Any, declaration.model._meta.pk).attname)
        room = rooms.of_row(declaration.model, key)
        if room not in names:
            yield room


class _Reader:
    """The rows as they are in the database now, of which only it knows all: one query a model."""

    def __init__(self, rows: Iterable[Row], using: str) -> None:
        self._using = using
        self._wanted = {row for row in rows if _must_be_read(row)}
        self._found: dict[type[Model], dict[Any, Model]] = {}

    def __call__(self, row: Row) -> Model | None:
        """The instance as it was committed; None if its row is gone already."""
        if row not in self._wanted:
            instance = cast(Model, row.instance)
            saved: Model = as_saved(instance, row.after, self._using)
            return saved
        model = row.declaration.model
        if model not in self._found:
            pks = {row.pk for row in self._wanted if row.declaration.model is model}
            self._found[model] = model._base_manager.using(self._using).in_bulk(pks)
        return self._found[model].get(row.pk)


def _must_be_read(row: Row) -> bool:
    if row.kind in (None, "deleted"):
        return False
    return row.is_unread or bool(_unknown(row))


def _unknown(row: Row) -> list[str]:
    """Fields that clients get, and that were deferred when the instance was saved."""
    if row.declaration.only_changed and row.kind == "updated":
        return []
    after = row.after
    fields = [cast(Any, field_of(row.declaration.model, name)) for name in row.declaration.fields]
    columns = [field for field in fields if field is not None and not field.many_to_many]
    return [field.name for field in columns if field.attname not in after]


def _tell_row(row: Row, read: _Reader, using: str) -> None:
    kind, declaration = row.kind, row.declaration
    if kind is None:
        return
    instance = _instance_before(row, {}, using) if kind == "deleted" else read(row)
    if instance is None:  # it is gone already
        return
    if declaration.when is not None and not declaration.when(instance, kind):
        return
    changed = _changed(row, instance)
    for told in _whom(row, kind, instance, using):
        if told.kind not in declaration.on or told.to.rooms == ():
            continue
        if told.kind == "updated" and declaration.only_changed and not changed:
            continue
        skip = declaration.skip
        skip = skip(row.instance or instance) if callable(skip) else skip
        emit(
            f"{declaration.event}:{told.kind}",
            payload_of(declaration, told.kind, instance, row, changed),
            to=told.to.rooms,
            namespace=told.to.namespace,
            skip=[*(skip if isinstance(skip, list | tuple | set) else (skip,)), *told.skip],
            # It has committed: an error is logged and counted, and no hook is robbed.
            on_commit=True,
            using=using,
        )


def _instance_before(row: Row, unchanged: Values, using: str) -> Any:
    if row.before is None:
        return None
    values = {**unchanged, **row.before}
    if row.instance is None:
        model = row.declaration.model
        names = [f.attname for f in model._meta.concrete_fields if f.attname in values]
        return model.from_db(using, names, [values[name] for name in names])
    return as_saved(row.instance, values, using)


def _changed(row: Row, instance: Model) -> list[str]:
    """The fields of the declaration that are not as they were, by name."""
    before, after = row.before or {}, values_of(instance)
    model = row.declaration.model
    # Where it is not known what was before, what was written counts as changed.
    written = {key for change in row.changes for key in change.written}
    if any(change.is_unread and not change.relations for change in row.changes):
        written |= after.keys()
    changed = []
    for name in row.declaration.fields:
        field = cast(Any, field_of(model, name))
        if field is None:
            raise LookupError(f"{model.__name__} has no field {name!r}")
        if field.many_to_many:
            is_changed = name in row.relations
        else:
            key = field.attname
            is_changed = key in written and (key not in before or before[key] != after.get(key))
        if is_changed:
            changed.append(name)
    return changed


def _whom(row: Row, kind: str, instance: Any, using: str) -> Iterator[Told]:
    """Who is told what: a row that moves is deleted for those whom it leaves."""
    declaration = row.declaration
    if kind == "deleted":
        yield from _deleted(row, instance)
        return
    after = address_of(declaration, instance)
    if kind == "created":
        yield Told(kind="created", to=after)
        return
    was = _address_before(row, instance, after, using)
    if was.namespace != after.namespace or was.rooms is None or after.rooms is None:
        if was != after:
            yield Told(kind="deleted", to=was)
        yield Told(kind="updated" if was == after else "created", to=after)
        return
    stays = tuple(room for room in after.rooms if room in was.rooms)
    left = tuple(room for room in was.rooms if room not in stays)
    entered = tuple(room for room in after.rooms if room not in stays)
    # A client in two of the rooms hears once: of the row that it still sees, rather.
    yield Told(kind="deleted", to=replace(after, rooms=left), skip=after.rooms)
    yield Told(kind="updated", to=replace(after, rooms=stays))
    yield Told(kind="created", to=replace(after, rooms=entered), skip=stays)


def _address_before(row: Row, instance: Any, after: Address, using: str) -> Address:
    """Where the row was told before; there still if that is not known."""
    # A field that was deferred is taken for unchanged. What `to` has loaded for `after` is reused.
    before = _instance_before(row, values_of(instance), using)
    if before is None or values_of(before) == values_of(instance):
        return after
    try:
        return address_of(row.declaration, before)
    except Exception:
        failed(f"that {row.declaration.model._meta.label} {row.pk} moved", row.declaration)
        return after


def _deleted(row: Row, before: Any) -> Iterator[Told]:
    """For those who saw it before the transaction, or when it was deleted."""
    deletions = [change for change in row.changes if change.kind == "deleted"]
    addresses = [change.addresses.get(row.declaration) for change in deletions]
    if len(row.changes) > len(deletions):
        try:
            addresses.append(address_of(row.declaration, before))
        except Exception:
            failed(f"the deletion of {row.declaration.model._meta.label}", row.declaration)
    told: dict[str, tuple[str, ...] | None] = {}
    for address in filter(None, addresses):
        known = told.get(address.namespace, ())
        everyone = known is None or address.rooms is None
        told[address.namespace] = (
            None if everyone else tuple(dict.fromkeys((*(known or ()), *(address.rooms or ()))))
        )
    for namespace, names in told.items():
        yield Told(kind="deleted", to=Address(namespace=namespace, rooms=names))
