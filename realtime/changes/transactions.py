"""What happened to rows in a transaction, and what is left of it when that commits.

Each save registers one hook, so that Django drops those of a savepoint that is rolled back. The
first hook that runs after the commit speaks for all that survived: it finds them through weak
references, because the list of the connection is the only one that keeps them alive.
"""

import itertools
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connections, transaction
from django.db.models import Model

from ..middleware import acting, acting_as
from .declarations import Declaration
from .memory import Values, is_expression, memory_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a row is told: rooms and sids of a namespace, or with None all of it."""

    namespace: str
    rooms: tuple[str, ...] | None


@dataclass(kw_only=True, eq=False)
class Change:
    """One save, deletion or change of a relation."""

    kind: str
    #: The declarations that it concerns, each with the primary key as its model has it.
    keys: dict[Declaration, Any]
    instance: Model | None = None
    #: The row before; None if there was none, or if it is not known.
    before: Values | None = None
    #: What was written.
    written: Values = field(default_factory=dict)
    #: Many-to-many fields that changed.
    relations: frozenset[str] = frozenset()
    #: Whether what was written is known by the database only.
    is_unread: bool = False
    #: Of a deletion: where the row was told until then.
    addresses: dict[Declaration, Address] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Row:
    """What a transaction did to a row, as one declaration sees it."""

    declaration: Declaration
    pk: Any
    changes: list[Change]

    @property
    def kind(self) -> str | None:
        """What its clients are told; None for a row that came and went."""
        was, stays = self.changes[0].kind != "created", self.changes[-1].kind != "deleted"
        if was:
            return "updated" if stays else "deleted"
        return "created" if stays else None

    @property
    def before(self) -> Values | None:
        return self.changes[0].before

    @property
    def after(self) -> Values:
        """The row as it was saved the last time, as far as it is known."""
        after = dict(self.before or {})
        for change in self.changes:
            after |= change.written
        return after

    @property
    def instance(self) -> Model | None:
        return self.changes[-1].instance

    @property
    def relations(self) -> frozenset[str]:
        return frozenset().union(*(change.relations for change in self.changes))

    @property
    def is_unread(self) -> bool:
        return self.instance is None or any(
            change.is_unread or any(map(is_expression, change.written.values()))
            for change in self.changes
        )


Tell = Callable[[list[Row], str], None]
_serials = itertools.count()
#: The hooks of each connection that may still run, in the order of their serial numbers.
_registered: "weakref.WeakKeyDictionary[Any, weakref.WeakValueDictionary[int, Hook]]" = (
    weakref.WeakKeyDictionary()
)


class Hook:
    """Runs after the commit of one change."""

    def __init__(self, change: Change, using: str, tell: Tell) -> None:
        self.__qualname__ = type(self).__qualname__  # Django's log names hooks by it
        self.change = change
        self.serial = next(_serials)
        self.is_done = False
        self._using = using
        self._tell = tell
        self._actor = acting.get()

    def __call__(self) -> None:
        if self.is_done:
            return
        hooks = [hook for hook in self._survivors() if not hook.is_done]
        for hook in hooks:
            hook.is_done = True
            hook.settle()
        with acting_as(self._actor):
            self._tell(rows_of(hook.change for hook in hooks), self._using)

    def _survivors(self) -> "list[Hook]":
        """The hooks of this transaction that were not rolled back.

        Earlier ones than the first that runs are of a test that runs only some, and those of
        another actor are of a test whose one transaction has several requests in it.
        """
        hooks = list(_registered[connections[self._using]].values())
        found = [
            hook for hook in hooks if hook.serial >= self.serial and hook._actor == self._actor
        ]
        return sorted(found, key=lambda hook: hook.serial)

    def settle(self) -> None:
        change = self.change
        if change.instance is not None:
            memory_of(change.instance).settle(self, {**(change.before or {}), **change.written})


def register(change: Change, using: str, tell: Tell) -> None:
    """Tell of a change when its transaction has committed; at once outside of one."""
    hook = Hook(change, using, tell)
    hooks = _registered.setdefault(connections[using], weakref.WeakValueDictionary())
    hooks[hook.serial] = hook
    if change.instance is not None:
        written = {**(change.before or {}), **change.written}
        memory_of(change.instance).saved(hook, written)
    transaction.on_commit(hook, using=using, robust=True)


def rows_of(changes: Iterable[Change]) -> list[Row]:
    """The changes by the rows that they are of, in the order in which the rows came up."""
    rows: dict[tuple[Declaration, Any], Row] = {}
    for change in changes:
        for declaration, pk in change.keys.items():
            row = Row(declaration=declaration, pk=pk, changes=[])
            rows.setdefault((declaration, pk), row).changes.append(change)
    return list(rows.values())
