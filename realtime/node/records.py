"""What this process emitted and asked in a test, as Django's `mail.outbox` keeps its mail."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from ..cluster.isolation import outbox_of_mail
from ..exceptions import UnreadableData
from .emissions import Emission
from .packing import unpack

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Emitted:
    """An emit. `args` are what clients get: lists for tuples, text for dates and decimals.

    `to` are the names of rooms and sids, None for everyone in the namespace.
    """

    event: str
    args: tuple[Any, ...]
    to: tuple[str, ...] | None
    namespace: str
    skip: frozenset[str]
    volatile: bool
    #: Of a durable emit `args` are without the id that its clients get as well.
    durable: bool = False
    retain: str | None = None

    def __str__(self) -> str:
        said = [repr(self.event), *map(repr, self.args)]
        if self.to is not None:
            said.append(f"to={list(self.to)}")
        said.append(f"namespace={self.namespace!r}")
        if self.skip:
            said.append(f"skip={sorted(self.skip)}")
        if self.volatile:
            said.append("volatile=True")
        if self.durable:
            said.append("durable=True")
        if self.retain is not None:
            said.append(f"retain={self.retain!r}")
        return f"emit({', '.join(said)})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """An operation or a question of presence: the name of its function, and its arguments."""

    name: str
    arguments: Mapping[str, Any]


class Recorded(Sequence[T], Generic[T]):
    """What one test recorded, in order: empty again when the next one begins."""

    def __init__(self) -> None:
        self._items: list[T] = []

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        begin()
        return self._items[index]

    def __len__(self) -> int:
        begin()
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        begin()
        return iter(list(self._items))

    def __eq__(self, other: object) -> bool:
        return list(self) == (list(other) if isinstance(other, Recorded) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self._items.clear()

    def _add(self, item: T) -> None:
        begin()
        self._items.append(item)


emitted: Recorded[Emitted] = Recorded()
asked: Recorded[Asked] = Recorded()
#: Called when another test has begun.
on_begin: list[Callable[[], None]] = []
#: Lists that are filled besides, while a test looks at a part of itself.
captures: list[list[Emitted]] = []

_mail: Any = None


def begin() -> None:
    """Forget the test before, if another has begun."""
    # Each test of Django's has a list of its own, kept here so that no later one gets its id.
    global _mail
    mail = outbox_of_mail()
    if mail is not _mail:
        _mail = mail
        forget()


def forget() -> None:
    """Begin another test."""
    emitted.clear()
    asked.clear()
    for callback in on_begin:
        callback()


def record(emission: Emission) -> None:
    """Keep an emission, if a test runs in this process."""
    if outbox_of_mail() is None:
        return
    try:
        event, *args = unpack(emission.messages)
    except UnreadableData:  # a little deeper, and it could not have been encoded either
        raise ValueError(f"the arguments of {emission.event!r} are nested too deeply") from None
    found = Emitted(
        event=event,
        args=tuple(args[:-1] if emission.durable else args),
        to=emission.to,
        namespace=emission.namespace,
        skip=emission.skip | (emission.actor.sids if emission.actor else frozenset()),
        volatile=emission.volatile,
        durable=bool(emission.durable),
        retain=emission.retain,
    )
    emitted._add(found)
    for capture in captures:
        capture.append(found)


def record_question(name: str, arguments: Mapping[str, Any]) -> None:
    """Keep what is asked of the nodes, if a test runs in this process."""
    if outbox_of_mail() is not None:
        asked._add(Asked(name=name, arguments=dict(arguments)))
