"""The worker threads in which handlers use the ORM.

asgiref runs all thread-sensitive code, the async ORM's too, in one thread for the whole process,
unless a context says otherwise: then one handler's slow query holds up every other socket. Here
each running handler has a lane, a thread of its own out of a bounded number, which lives on with
its database connection and is handed to the next handler.
"""

import asyncio
import functools
import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext
from django.db import close_old_connections

from ..conf import settings


class _LaneThread(ThreadPoolExecutor):
    """One thread. The first work of each handler finds no stale database connection there."""

    def __init__(self, name: str) -> None:
        super().__init__(max_workers=1, thread_name_prefix=name)
        self.used = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not self.used:
            self.used = True
            super().submit(close_old_connections)
        return super().submit(fn, *args, **kwargs)

    def tidy(self) -> None:
        """Close stale database connections if the handler used the thread; Django's habit too."""
        if self.used:
            super().submit(close_old_connections)
            self.used = False


class Lane(ThreadSensitiveContext):
    """A thread-sensitive context that outlives its handlers.

    asgiref's own way in, `async with ThreadSensitiveContext(executor=...)`, can be entered once,
    and refuses the ORM to a task that a handler left behind. So a lane is made the current context
    by the two class attributes with which ThreadSensitiveContext does it.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.users = 0
        self.thread = _LaneThread(f"realtime-{number}")
        SyncToAsync.context_to_thread_executor[self] = self.thread


class Lanes:
    """An idle lane serves first; when all are busy they are shared."""

    def __init__(self, size: int) -> None:
        self._all = [Lane(number) for number in range(size)]
        self._idle = self._all[::-1]
        self._shared = itertools.cycle(self._all)

    @property
    def size(self) -> int:
        return len(self._all)

    @property
    def running(self) -> int:
        """How many handlers run now; more than `size` where they share lanes."""
        return sum(lane.users for lane in self._all)

    def acquire(self) -> Lane | None:
        """A lane for a handler that is about to run; from here on the current task's context.

        None where sync code waits for this event loop, as Django's TestCase does for an async test:
        then handlers use that code's own thread, and so its database connection and transaction.
        """
        loops = AsyncToSync.loop_thread_executors
        # Empty but in tests; asking for the running loop costs a system call on Python 3.11.
        if loops and asyncio.get_running_loop() in loops:
            return None
        lane = self._idle.pop() if self._idle else next(self._shared)
        lane.users += 1
        SyncToAsync.thread_sensitive_context.set(lane)
        return lane

    def release(self, lane: Lane | None) -> None:
        """Give a lane back. A task that goes on past its handler may still use it."""
        if lane is None:
            return
        lane.users -= 1
        lane.thread.tidy()
        if not lane.users:
            self._idle.append(lane)


@functools.cache
def lanes() -> Lanes:
    """The lanes of this process, as many as `REALTIME["THREADS"]` says at first use."""
    return Lanes(settings.THREADS)
