"""What is known of a row's state in the database, kept with each instance of an announced model.

It is the state that was loaded, and then what was saved, one entry for each save whose transaction
has not ended. A save that was rolled back, with its savepoint or as a whole, is forgotten: Django
then drops the hook that was to run after the commit, and with it the entry's only strong reference.
"""

import copy
import functools
import weakref
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.files import File
from django.db.models import F, ForeignKey, Model

Values = dict[str, Any]
_MUTABLE = (dict, list, set, bytearray)
_IMMUTABLE = frozenset([str, int, bool, float, type(None), datetime, date, Decimal, UUID, bytes])


class Memory:
    """The state of one instance's row, by the names of columns' attributes."""

    __slots__ = ("committed", "pending")

    def __init__(self, committed: Values | None = None) -> None:
        #: As the row was loaded or committed; None if that is not known.
        self.committed = committed
        #: What each save wrote whose transaction is not over, with its hook.
        self.pending: list[tuple[weakref.ref[Any], Values]] = []

    def __reduce__(self) -> Any:
        # In a cache or in another process there is no transaction of ours.
        return (Memory, (self.committed,))

    def latest(self) -> Values | None:
        """The row as this transaction sees it."""
        self.pending = [entry for entry in self.pending if entry[0]() is not None]
        return self.pending[-1][1] if self.pending else self.committed

    def saved(self, hook: Any, values: Values) -> None:
        """A save wrote this, if `hook` ever runs."""
        self.pending.append((weakref.ref(hook), _known(values)))

    def settle(self, hook: Any, values: Values) -> None:
        """The transaction of this hook committed."""
        self.pending = [entry for entry in self.pending if entry[0]() not in (hook, None)]
        self.committed = _known(values)


def memory_of(instance: Model) -> Memory:
    """The memory of an instance; an empty one if it has none."""
    memory: Memory | None = instance._state.__dict__.get("realtime")
    if memory is None:
        memory = Memory()
        instance._state.realtime = memory  # type: ignore[attr-defined]
    return memory


def remember(instance: Model, names: Iterable[str] | None = None) -> None:
    """Take the values of an instance, or those of some fields, for what is in the database."""
    memory = memory_of(instance)
    if names is None:
        memory.committed = values_of(instance)
    else:
        known = memory.committed or {}
        memory.committed = {**known, **values_of(instance, set(names))}


@functools.cache
def _columns(model: type[Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)


def values_of(instance: Model, names: Iterable[str] | None = None) -> Values:
    """The values of an instance's columns, without those that are deferred; takes no query."""
    found = instance.__dict__
    columns: Iterable[str] = _columns(instance.__class__)
    if names is not None:
        fields = instance._meta.concrete_fields
        columns = [f.attname for f in fields if f.name in names or f.attname in names]
    # Of each instance that is loaded: most values are of kinds that are known at once.
    return {
        name: value if (value := found[name]).__class__ in _IMMUTABLE else _kept(value)
        for name in columns
        if name in found
    }


def _kept(value: Any) -> Any:
    """A value that stays as it is when the instance's is changed in place."""
    if isinstance(value, _MUTABLE):
        return copy.deepcopy(value)
    return value.name if isinstance(value, File) else value


def is_expression(value: Any) -> bool:
    """Whether only the database knows the value: F("stock") - 1."""
    return hasattr(value, "resolve_expression")


def _known(values: Values) -> Values:
    """Without what only the database knows, which is unknown here until it is loaded."""
    return {name: value for name, value in values.items() if not is_expression(value)}


def unread(instance: Model, before: Values) -> Values:
    """The columns that a save may have changed without the instance knowing, as expressions.

    Those that the database computes; and those that had a value and now have none, which is how
    Django 6 leaves a field that an expression was saved for, on a database that can't return it.
    """
    found, generated = instance.__dict__, _generated(instance.__class__)
    lost = [name for name in before if name not in found]
    return {name: F(name) for name in (*generated, *lost)}


@functools.cache
def _generated(model: type[Model]) -> tuple[str, ...]:
    fields = model._meta.concrete_fields
    return tuple(f.attname for f in fields if getattr(f, "generated", False))


def as_saved(instance: Model, values: Mapping[str, Any], using: str) -> Any:
    """The instance if it is as it was saved, or else another one that is."""
    if instance.pk is not None and values_of(instance) == values:
        return instance
    model = instance.__class__
    names = [f.attname for f in model._meta.concrete_fields if f.attname in values]
    other = model.from_db(using, names, [_kept(values[name]) for name in names])
    for field in model._meta.concrete_fields:
        # A related object that was loaded needs no query again.
        if (
            isinstance(field, ForeignKey)
            and field.is_cached(instance)
            and instance.__dict__.get(field.attname) == values.get(field.attname)
        ):
            field.set_cached_value(other, field.get_cached_value(instance))
    return other
