"""Refusals in the log: one line for each kind and address, however often a client tries again."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .limits import TokenBucket

#: Seconds after which the same refusal of the same address is worth another line.
PAUSE = 300.0
#: Lines a second of one kind, twice as many at once, whatever the number of addresses.
RATE = 5
#: Refusals that are remembered; the one that was said longest ago is forgotten first.
REMEMBERED = 1_000
#: Characters of what a client sent that stand in a line.
MAX_SHOWN = 100

_said: OrderedDict[tuple[str, str | None, str], float] = OrderedDict()
_buckets: dict[str, TokenBucket] = {}


def say(
    logger: logging.Logger,
    kind: str,
    address: str | None,
    text: str | Callable[[], str],
    *,
    detail: str = "",
    level: int = logging.WARNING,
    extra: dict[str, Any] | None = None,
) -> None:
    """Log a refusal, unless it was said of this address a short time ago.

    `detail` tells refusals of a kind apart that have different remedies. A `text` that takes time
    to find is a function, called only if the line is written: clients decide how often this is.
    """
    if not logger.isEnabledFor(level):
        return
    now = time.monotonic()
    key = (kind, address, detail[:MAX_SHOWN])
    said = _said.get(key)
    if said is not None and now - said < PAUSE:
        return
    bucket = _buckets.get(kind)
    if bucket is None:
        bucket = _buckets[kind] = TokenBucket(RATE, now)
    if not bucket.take(now):
        return
    _said[key] = now
    _said.move_to_end(key)
    if len(_said) > REMEMBERED:
        _said.popitem(last=False)
    said_of_it = text if isinstance(text, str) else text()
    logger.log(level, "refused: %s", said_of_it, extra={"address": address} | (extra or {}))


def forget() -> None:
    """Say everything again."""
    _said.clear()
    _buckets.clear()


def shown(text: Any) -> str:
    """What a client sent, for a line of the log: quoted, of a bounded length, on one line."""
    whole = str(text)
    return ascii(whole if len(whole) <= MAX_SHOWN else f"{whole[:MAX_SHOWN]}...")
