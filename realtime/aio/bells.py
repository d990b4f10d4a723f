"""A bell that a task waits at, again and again, for the cost of a list's item each time.

A future for each message, and one callback of the loop's for each future, took a tenth of the time
of an event with an ack. Here all that were rung in one turn of the loop are woken by one callback.
A task waits at any object that looks like a future, see `asyncio.isfuture`.
"""

import asyncio
from asyncio import AbstractEventLoop, CancelledError
from collections.abc import Callable, Generator
from contextvars import Context
from types import coroutine
from typing import Any

Wake = Callable[["Bell"], Any]


class _Turn:
    """Those of one loop that were rung and are not woken yet."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._rung: list[tuple[Context, Wake, Bell]] = []

    def add(self, context: Context, wake: Wake, bell: "Bell") -> None:
        if not self._rung:
            self.loop.call_soon(self._wake_all)
        self._rung.append((context, wake, bell))

    def _wake_all(self) -> None:
        rung, self._rung = self._rung, []
        rest = iter(rung)
        try:
            for context, wake, bell in rest:
                context.run(wake, bell)
        except BaseException:  # a task lets out what ends the process, and nothing else
            for one in rest:
                self.add(*one)
            raise


_turn: _Turn | None = None


def _turn_of(loop: AbstractEventLoop) -> _Turn:
    global _turn
    if _turn is None or _turn.loop is not loop:
        _turn = _Turn(loop)
    return _turn


class Bell:
    """Wakes the one task that waits at it; rung while nobody does, it is silent."""

    __slots__ = ("_asyncio_future_blocking", "_context", "_is_cancelled", "_loop", "_turn", "_wake")

    def __init__(self) -> None:
        # What a task asks a future for: whether it is being awaited, and whose loop it is.
        self._asyncio_future_blocking = False
        self._loop = asyncio.get_running_loop()
        self._turn = _turn_of(self._loop)
        self._wake: Wake | None = None
        self._context: Context | None = None
        self._is_cancelled = False

    @property
    def has_waiter(self) -> bool:
        """Whether a task waits that was not woken."""
        return self._wake is not None

    @coroutine
    def wait(self) -> Generator["Bell", None, None]:
        """Wait until it rings; to be awaited in a task."""
        self._asyncio_future_blocking = True
        yield self

    def ring(self) -> None:
        """Wake who waits, in the loop's next turn. On the loop only."""
        wake = self._wake
        if wake is not None:
            self._wake = None
            assert self._context is not None
            self._turn.add(self._context, wake, self)

    # What a task calls of what it waits at

    def add_done_callback(self, wake: Wake, *, context: Context) -> None:
        self._wake = wake
        self._context = context

    def cancel(self, msg: Any = None) -> bool:
        if self._wake is None:  # nobody waits, or who did is being woken and told by its task
            return False
        self._is_cancelled = True
        self.ring()
        return True

    def result(self) -> None:
        if self._is_cancelled:
            self._is_cancelled = False
            raise CancelledError
