"""Connections to Redis at which threads wait themselves.

A thread that emits has nothing else to do until Redis has answered. To have an event loop in
another thread ask instead means two changes of threads and asyncio's share of each command, which
together cost several times as much as the command: see docs/performance.md.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from redis.connection import ConnectionPool
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as NoAnswer

from ..conf import settings

#: Lines to one Redis; what more threads have to say at the same moment goes over the event loop.
MOST = 8
#: Seconds after a failure in which no line is opened.
PAUSE = 1.0

Command = Sequence[Any]


class Detour(Exception):
    """It is for the event loop to do, which tries again, and says what is wrong."""

    def __init__(self, *, may_be_done: bool = False) -> None:
        super().__init__()
        #: Whether Redis may have done it, although it did not say so.
        self.may_be_done = may_be_done


class Lines:
    """Pooled connections to one Redis. Each is a thread's own while it asks."""

    def __init__(self, host: Mapping[str, Any]) -> None:
        # What RESP 3 adds are notices that nobody here would read.
        options = {"protocol": 2, **host}
        address = options.pop("address", None)
        pool = ConnectionPool.from_url(address, **options) if address else ConnectionPool(**options)
        # Makes no connections for us: it would keep count of them.
        self._kind, self._options = pool.connection_class, dict(pool.connection_kwargs)
        for limit in ("socket_timeout", "socket_connect_timeout"):
            self._options[limit] = settings.EMIT_TIMEOUT
        self._idle: list[Any] = []
        self._places = threading.Semaphore(MOST)
        self._opening = threading.Lock()
        self._not_before = 0.0
        self._is_closed = False

    def ask(self, *commands: Command) -> list[Any]:
        """What Redis answers to commands, which it gets in one go.

        Raises Detour, and TimeoutError when Redis does not answer in `REALTIME["EMIT_TIMEOUT"]`.
        """
        line = self._take()
        try:
            packed = [piece for command in commands for piece in line.pack_command(*command)]
            line.send_packed_command(packed)
            answers = [_answer(line) for _ in commands]
        except BaseException as error:  # an answer may be under way that nobody will ask for
            self._drop(line)
            if isinstance(error, NoAnswer):
                raise TimeoutError from error
            if isinstance(error, RedisError | OSError):
                self._close_idle()  # it is rarely one that breaks alone
                raise Detour(may_be_done=True) from error
            raise
        self._keep(line)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise Detour from answer
        return answers

    def close(self) -> None:
        """Close all lines; one that is in use, when it is no longer."""
        self._is_closed = True
        self._close_idle()

    def _take(self) -> Any:
        if not self._idle:
            self._open()
        try:
            return self._idle.pop()
        except IndexError:  # another thread was faster
            raise Detour from None

    def _open(self) -> None:
        if self._is_closed or time.monotonic() < self._not_before:
            raise Detour
        # One at a time: where a host does not answer, one thread waits for it and no more.
        if not self._opening.acquire(blocking=False):
            raise Detour
        if not self._places.acquire(blocking=False):
            self._opening.release()
            raise Detour
        is_ready = threading.Event()
        try:
            # In a thread of its own, for nothing else bounds the time to look a host's name up.
            threading.Thread(target=self._connect, args=(is_ready,), daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter ends
            self._places.release()
            self._opening.release()
            raise Detour from None
        if not is_ready.wait(settings.EMIT_TIMEOUT):
            raise TimeoutError

    def _connect(self, is_ready: threading.Event) -> None:
        try:
            line = self._kind(**self._options)
            line.connect()
        except Exception:  # whatever it is, the event loop meets it too, and says so
            self._not_before = time.monotonic() + PAUSE
            self._places.release()
        else:
            self._keep(line)
        finally:
            self._opening.release()
            is_ready.set()

    def _keep(self, line: Any) -> None:
        if self._is_closed:
            self._drop(line)
        else:
            self._idle.append(line)

    def _drop(self, line: Any) -> None:
        line.disconnect()
        self._places.release()

    def _close_idle(self) -> None:
        while self._idle:
            try:
                line = self._idle.pop()
            except IndexError:
                return
            self._drop(line)


def _answer(line: Any) -> Any:
    try:
        return line.read_response()
    except ResponseError as refusal:  # the answers to the other commands follow all the same
        return refusal
