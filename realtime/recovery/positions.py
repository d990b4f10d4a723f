"""Positions in the one order of a namespace's events; clients know them as offsets. Pure.

A position is a number: the milliseconds since the epoch at which the event was logged, then a
count within them. Its text is that of an entry's id in a Redis stream, as "1795629600000-0".
"""

import re
import time
from typing import Any

#: The event's place in all that a namespace's clients get; 0 is before the first.
Position = int

COUNT_BITS = 20
_COUNT = (1 << COUNT_BITS) - 1
_text = re.compile(r"([0-9]{1,14})-([0-9]{1,7})", re.ASCII)


def to_text(position: Position) -> str:
    """What the client gets as the event's offset."""
    return f"{position >> COUNT_BITS}-{position & _COUNT}"


def from_text(text: Any) -> Position | None:
    """The position that a client, or Redis, names; None for what is none."""
    found = _text.fullmatch(text) if isinstance(text, str) else None
    if found is None or int(found[2]) > _COUNT:
        return None
    return int(found[1]) << COUNT_BITS | int(found[2])


def at(seconds: float) -> Position:
    """The first position of a moment, in seconds since the epoch."""
    return int(seconds * 1000) << COUNT_BITS


def after(last: Position) -> Position:
    """The next position, now."""
    now = int(time.time() * 1000) << COUNT_BITS
    # Whatever the clock does, positions rise.
    return now if now > last else last + 1
