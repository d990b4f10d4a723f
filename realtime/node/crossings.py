"""From a thread to an event loop in another one, and back with the result."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from .threads import LentThread

T = TypeVar("T")
Work = Coroutine[Any, Any, T]


class LoopBlocked(Exception):
    """The loop did not come to the work in time."""


class _Crossing(Generic[T]):
    """One piece of work in a loop, and the thread that waits for it.

    A lock for the thread to wait at, and nothing for the loop to call when the work is done: the
    standard library's two futures, chained, cost more than both changes of threads.
    """

    def __init__(self, work: Work[T], loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._is_done = threading.Lock()
        self._is_done.acquire()
        self._result: T
        self._error: BaseException | None = None

    def result(self, seconds: float) -> T:
        self._loop.call_soon_threadsafe(self._start)
        if not self._is_done.acquire(timeout=seconds):
            self._loop.call_soon_threadsafe(self._cancel)
            raise LoopBlocked
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # its traceback leads here
        return self._result

    def _start(self) -> None:
        self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            self._result = await self._work
        except Exception as error:
            self._error = error
        except asyncio.CancelledError:  # the loop's, not the thread's
            self._error = concurrent.futures.CancelledError()
            raise
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._is_done.release()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def result(work: Work[T], loop: asyncio.AbstractEventLoop, seconds: float) -> T:
    """The result of a coroutine that runs in the loop of another thread.

    Raises LoopBlocked, and cancels it, when it takes longer than so many seconds.
    """
    lent = LentThread.of(loop)
    if lent is None:
        return _Crossing(work, loop).result(seconds)
    # What is asked may need this very thread.
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        lent.wait(future, seconds)
    except TimeoutError:
        future.cancel()
        raise LoopBlocked from None
    return future.result()
