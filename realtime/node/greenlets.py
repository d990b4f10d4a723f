"""A thread for an event loop where gevent or eventlet have made greenlets of threads.

There a new `threading.Thread` is a greenlet of the thread that starts it. An event loop in it would
count as running for all greenlets of that thread: Django's ORM then refuses every call of the
process, as in async code. So the loop gets a real thread, which both libraries leave a way to, and
who waits for it does so at a patched socket, which lets other greenlets run. No lock and no future
of the standard library is shared between the two: those are patched, for use in one thread.
"""

import _socket
import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .crossings import LoopBlocked

T = TypeVar("T")


def patched_by() -> str | None:
    """The library that has patched threads in this process, if one has."""
    gevent: Any = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    return None


def start_real_thread(work: Callable[[], None]) -> None:
    """Run `work` in a thread of the operating system that ends with the process."""
    if patched_by() == "gevent":
        start = sys.modules["gevent.monkey"].get_original("_thread", "start_new_thread")
        start(work, ())
    else:
        threads: Any = sys.modules["eventlet.patcher"].original("threading")
        threads.Thread(target=work, daemon=True, name="realtime-publisher").start()


class Signal:
    """Given once in one thread, and waited for once in another, whose greenlets run meanwhile."""

    def __init__(self) -> None:
        self._waiting, giving = socket.socketpair()
        # As it is below the patches: a patched one belongs to the thread that made it, and
        # eventlet's os.write waits for ever where nobody reads any more.
        self._giving = _socket.socket(fileno=giving.detach())

    def give(self) -> None:
        with contextlib.suppress(OSError):  # nobody waits any more
            self._giving.send(b"\0")
        self._giving.close()

    def wait(self, seconds: float) -> bool:
        """Whether it was given in time."""
        self._waiting.settimeout(seconds)
        try:
            return bool(self._waiting.recv(1))
        except TimeoutError:
            return False
        finally:
            self._waiting.close()


def result(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop, seconds: float) -> T:
    """The result of a coroutine that runs in the loop of a real thread.

    Raises LoopBlocked, and cancels it, when it takes longer than so many seconds.
    """
    tasks: list[asyncio.Task[T]] = []
    done = Signal()

    def start() -> None:
        tasks.append(loop.create_task(work))
        tasks[0].add_done_callback(lambda _: done.give())

    loop.call_soon_threadsafe(start)
    came = False
    try:
        came = done.wait(seconds)
    finally:  # also where this greenlet is killed
        if not came:
            loop.call_soon_threadsafe(lambda: tasks[0].cancel())
    if not came:
        raise LoopBlocked
    return tasks[0].result()
