"""The worker threads in which handlers use the ORM.

asgiref runs all thread-sensitive code, the async ORM's too, in one thread for the whole process,
unless a context says otherwise: then one handler's slow query holds up every other socket. Here
each running handler has a lane, a thread of its own out of a bounded number, which lives on with
its database connection and is handed to the next handler.
"""

import asyncio
import contextlib
import functools
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext
from django.db import close_old_connections

from ..conf import settings

P = ParamSpec("P")
T = TypeVar("T")


_current = SyncToAsync.thread_sensitive_context.get


class _LaneThread(Executor):
    """One thread. The first work of each handler finds no stale database connection there.

    Not the standard library's pool: the interpreter waits for its threads before it ends, and so
    for a handler that sleeps, whatever DRAIN_TIMEOUT says.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # Each has one writer, so that neither needs a lock.
        self.taken = self.done = 0
        self.used = False

    @property
    def is_busy(self) -> bool:
        """Whether work is in progress or waits, if only that of a handler which is no more."""
        return self.taken != self.done

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if not self.used:
            self.used = True
            self._put(close_old_connections)
        return self._put(functools.partial(fn, *args, **kwargs))

    def tidy(self) -> None:
        """Close stale database connections after a handler's work; Django's habit too."""
        self._put(close_old_connections)
        self.used = False

    def when_free(self, callback: Callable[[], None]) -> None:
        """Call it, in the thread, when all that waits now is done."""
        self._put(callback)

    def _put(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self.taken += 1
        self._work.put(functools.partial(self._fulfil, future, work))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        return future

    def _run(self) -> None:
        while True:
            work = self._work.get()
            work()
            # What it worked on is not held until the next work comes.
            del work

    def _fulfil(self, future: Future[T], work: Callable[[], T]) -> None:
        if not future.set_running_or_notify_cancel():
            self.done += 1
            return
        # It counts as done first: whoever hears of it may ask at once whether the thread is busy.
        try:
            result = work()
        except BaseException as error:  # as the standard library's pool: it is for the caller
            self.done += 1
            future.set_exception(error)
        else:
            self.done += 1
            future.set_result(result)


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
    """An idle lane serves first; when all are busy they are shared.

    A lane whose thread still works for a handler that is no more is not idle: the next handler
    would wait for it, while other threads have nothing to do.
    """

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
        idle = self._idle
        lane = idle.pop() if idle else self._next()
        lane.users += 1
        if _current(None) is not lane:  # most often it is; to set it takes longer than to ask
            SyncToAsync.thread_sensitive_context.set(lane)
        return lane

    def _next(self) -> Lane:
        """The next lane that is shared; one that is blocked by nobody's work only if all are."""
        lane = next(self._shared)
        for _ in range(self.size):
            if lane.users or not lane.thread.is_busy:
                break
            lane = next(self._shared)
        return lane

    def release(self, lane: Lane | None) -> None:
        """Give a lane back. A task that goes on past its handler may still use it."""
        if lane is None:
            return
        lane.users -= 1
        thread = lane.thread
        if thread.used or thread.taken != thread.done:  # most handlers use none
            self._release_used(lane)
        elif not lane.users:
            self._idle.append(lane)

    def _release_used(self, lane: Lane) -> None:
        thread = lane.thread
        is_blocked = thread.is_busy
        if thread.used:
            thread.tidy()
        if lane.users:
            return
        if is_blocked:
            loop = asyncio.get_running_loop()
            thread.when_free(functools.partial(self._free_later, loop, lane))
        else:
            self._idle.append(lane)

    def _free_later(self, loop: asyncio.AbstractEventLoop, lane: Lane) -> None:
        """Called in the lane's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody needs a lane
            loop.call_soon_threadsafe(self._free, lane)

    def _free(self, lane: Lane) -> None:
        if not lane.users and lane not in self._idle:
            self._idle.append(lane)


@functools.cache
def lanes() -> Lanes:
    """The lanes of this process, as many as `REALTIME["THREADS"]` says at first use."""
    return Lanes(settings.THREADS)


class LentThread(Executor):
    """A thread in which an event loop's handlers use the ORM while that thread waits for the loop.

    A test's own: handlers then see the rows of its transaction. What is to run there waits as long
    as the thread does something else.
    """

    def __init__(self) -> None:
        self._owner = threading.get_ident()
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def lend(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let asgiref run a loop's thread-sensitive code here, as AsyncToSync does with its own."""
        AsyncToSync.loop_thread_executors[loop] = self  # type: ignore[assignment]

    def take_back(self, loop: asyncio.AbstractEventLoop) -> None:
        AsyncToSync.loop_thread_executors.pop(loop, None)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._queue.put(functools.partial(_run, future, functools.partial(fn, *args, **kwargs)))
        return future

    def wait(self, future: Future[Any], timeout: float) -> None:
        """Run what the loop wants done here until `future` is done. Raises TimeoutError."""
        future.add_done_callback(lambda _: self._queue.put(None))
        end = time.monotonic() + timeout
        while not future.done():
            try:
                work = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                raise TimeoutError from None
            if work is not None:
                work()

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "LentThread | None":
        """The current thread, if it is lent to a loop."""
        lent: object = AsyncToSync.loop_thread_executors.get(loop)
        if isinstance(lent, cls) and lent._owner == threading.get_ident():
            return lent
        return None


def _run(future: Future[Any], work: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(work())
        except BaseException as error:  # whatever it is, it is the waiting loop's
            future.set_exception(error)
