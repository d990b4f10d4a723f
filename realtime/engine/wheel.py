"""One coarse timer wheel for all timeouts of a server.

A task or a loop timer for each of 10,000 idle sockets costs more than their traffic. Here handles
that are due in the same tick share one loop timer, and a cancelled handle leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import time
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("realtime.engine")


#: Seconds by which a loop may run a timer early; uvloop counts in milliseconds.
CLOCK_RESOLUTION = 0.001


class Handle:
    """A callback that will run once, unless it is cancelled before."""

    __slots__ = ("_bucket", "args", "callback")

    def __init__(
        self, bucket: dict[Handle, None], callback: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        self.callback = callback
        self.args = args
        self._bucket: dict[Handle, None] | None = bucket
        bucket[self] = None

    def cancel(self) -> None:
        """Forget the callback. Harmless when it has run already."""
        bucket, self._bucket = self._bucket, None
        if bucket is not None:
            bucket.pop(self, None)
            # A handle may be kept for long after this, and what it would have called with it.
            self.callback, self.args = _forgotten, ()


def _forgotten() -> None:
    """What a cancelled handle calls."""


class TimerWheel:
    """Timers that fire at the first tick that is not too early."""

    def __init__(self, tick: float = 0.25) -> None:
        self.tick = tick
        self._buckets: dict[int, dict[Handle, None]] = {}
        # The numbers of all ticks with a bucket, the next one first.
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def time(self) -> float:
        """The event loop's clock."""
        # Not by the running loop, whose look-up is a system call on Python 3.11: all loops of a
        # process go by one clock.
        return time.monotonic() if self._loop is None else self._loop.time()

    def after(self, seconds: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Run `callback(*args)` in `seconds` or up to one tick later. Call it on the event loop."""
        loop = self._bound_loop()
        number = math.ceil((loop.time() + seconds) / self.tick)
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = {}
            heapq.heappush(self._order, number)
            if self._order[0] == number:
                self._schedule(loop)
        return Handle(bucket, callback, args)

    def _bound_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # A server object that outlives its loop (tests, reloads) starts over on the next one.
            self._loop, self._timer = loop, None
            self._buckets.clear()
            self._order.clear()
        return loop

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._order[0] * self.tick, self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._order and self._order[0] * self.tick <= now + CLOCK_RESOLUTION:
            self._fire(self._buckets.pop(heapq.heappop(self._order)))
        if self._order:
            self._schedule(loop)

    def _fire(self, bucket: dict[Handle, None]) -> None:
        while bucket:
            # The oldest first; a callback may cancel others of the same bucket.
            handle = next(iter(bucket))
            callback, args = handle.callback, handle.args
            handle.cancel()
            try:
                callback(*args)
            except Exception:
                logger.exception("a timer callback failed: %r", callback)
