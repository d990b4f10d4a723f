"""Slices of long lists, in order, a little at a time: the event loop is never held up for long."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

#: Items that are looked at between two turns of the event loop.
AT_ONCE = 200
#: The last row that can be asked for. Each node sends as many keys, so more would be a burden.
MAX_ROWS = 10_000

Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """Which rows of an ordered list are wanted."""

    field: str
    descending: bool
    offset: int
    limit: int

    @property
    def end(self) -> int:
        return self.offset + self.limit

    @property
    def question(self) -> dict[str, Any]:
        """What each node has to know: of its own rows, any of the first may be in the slice."""
        return {"order": self.field, "descending": self.descending, "wanted": self.end}


def checked_slice(fields: Sequence[str], order_by: str, offset: int, limit: int) -> Slice:
    """The slice that a caller asks for. Raises ValueError and TypeError."""
    if not isinstance(order_by, str) or order_by.removeprefix("-") not in fields:
        raise ValueError(
            f"order_by must be one of {', '.join(fields)}, with or without a '-' in front,"
            f" not {order_by!r}"
        )
    for name, number in (("offset", offset), ("limit", limit)):
        if not isinstance(number, int) or isinstance(number, bool):
            raise TypeError(f"{name} must be a whole number, not {type(number).__name__}")
        if number < 0:
            raise ValueError(f"{name} must be 0 or more, not {number}")
    if offset + limit > MAX_ROWS:
        raise ValueError(
            f"offset + limit must be {MAX_ROWS} at most, not {offset + limit}: narrow the list down"
            " with to=, namespace= or search=, or read it from the other end with order_by="
        )
    return Slice(
        field=order_by.removeprefix("-"),
        descending=order_by.startswith("-"),
        offset=offset,
        limit=limit,
    )


async def first_keys(
    items: Sequence[T], key: Callable[[T], Key | None], wanted: int, descending: bool
) -> tuple[int, list[Key]]:
    """How many items have a key, and the first `wanted` keys in order."""
    total = 0
    best: list[Key] = []
    for batch in in_turns(items):
        found = [k for item in batch if (k := key(item)) is not None]
        total += len(found)
        best += found
        best.sort(reverse=descending)  # what is sorted already costs it little
        del best[wanted:]
        await asyncio.sleep(0)
    return total, best


def in_turns(items: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """The items in batches; the caller lets the event loop have a turn after each."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
