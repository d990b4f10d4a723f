"""SIGTERM and SIGINT: our connections end gracefully before the web server ends in its own way.

Daphne cancels everything at once, and uvicorn closes all websockets in one instant and waits for
polls. Neither has a hook that comes before: Daphne knows no lifespan, and Twisted's "before
shutdown" triggers run beside Daphne's own, which kills. So the server's signal handler is wrapped:
ours comes first, and calls it when all is quiet.
"""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

NUMBERS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Awaits `stop` at the first signal; a second one calls `hurry`, and `stop` is to end soon."""

    def __init__(self, stop: Callable[[], Awaitable[None]], hurry: Callable[[], None]) -> None:
        self._stop = stop
        self._hurry = hurry
        self._loop: asyncio.AbstractEventLoop | None = None
        self._theirs: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._received: list[int] = []
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        """Wrap the handlers that the web server of this loop has installed, if it did.

        Where SIGTERM has no handler nobody promised a quiet end: under `runserver`, whose
        autoreloader owns the main thread, or in a test run.
        """
        if self._theirs or threading.current_thread() is not threading.main_thread():
            return
        if not callable(signal.getsignal(signal.SIGTERM)):
            return
        self._loop = asyncio.get_running_loop()
        for number in NUMBERS:
            theirs = signal.getsignal(number)
            if callable(theirs):
                self._theirs[number] = theirs
                signal.signal(number, self._arrived)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._loop is None or self._loop.is_closed():
            self._theirs[number](number, frame)
        else:
            self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        self._received.append(number)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif self._task.done():
            self._hand_over()
        else:
            self._hurry()

    async def _run(self) -> None:
        try:
            await self._stop()
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        """Every signal once: a server may take the second one as more urgent."""
        received, self._received = self._received, []
        for number in received:
            self._theirs[number](number, None)
