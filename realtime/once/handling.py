"""A handler that is called once for each key; a repeat gets the answer of the first call."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.db import close_old_connections

from ..aio.tasks import Tasks, end
from ..conf import settings
from ..exceptions import EventError
from ..metrics.counters import count
from ..node import packing
from .keys import ReadKey, digest
from .memory import LEASE, Answer, Memory

logger = logging.getLogger("realtime.once")

Call = Callable[..., Any]

#: Calls of handlers. They outlive what asked for them: see `_leave`.
_running = Tasks()


def handle_once(call: Call, event: str, read_key: ReadKey, *, in_thread: bool) -> Call:
    """A handler's call, which does nothing for a repeat but answer it.

    `in_thread` says that the handler is a plain `def`.
    """

    async def called(consumer: Any, *args: Any) -> Any:
        memory = Memory(digest(consumer, event, read_key(args)))
        answer = await memory.begin()
        if answer is not None:
            return _again(answer)
        work = _running.start(_handle(memory, call(consumer, *args)))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if not work.done():
                _leave(work, event, in_thread)
            raise

    return called


async def _handle(memory: Memory, call: Awaitable[Any]) -> Any:
    renewal = asyncio.ensure_future(_renew(memory.name))
    try:
        result = await call
    except BaseException:  # a client may try again what failed
        await memory.forget()
        raise
    finally:
        await end([renewal])
    await _remember(memory, result)
    return result


def _leave(work: asyncio.Task[Any], event: str, in_thread: bool) -> None:
    """The client of a handler has left; it may be back already, and ask again.

    What the handler does must not be begun once more meanwhile, and is worth an answer. A thread
    can't be ended at all.
    """
    if not in_thread:
        timer = asyncio.get_running_loop().call_later(LEASE, work.cancel)
        work.add_done_callback(lambda _: timer.cancel())
    work.add_done_callback(lambda _: _say_failed(work, event))


def _say_failed(work: asyncio.Task[Any], event: str) -> None:
    error = None if work.cancelled() else work.exception()
    if error is not None:
        logger.error("the handler of %r failed after its client had left", event, exc_info=error)


def _again(answer: Answer) -> Any:
    if answer.payloads is None or answer.parser != settings.PARSER:
        count("repeats.lost")
        raise EventError(
            "This was done before; its answer has not been kept.", code="answer_not_kept"
        )
    count("repeats.waited" if answer.waited else "repeats.kept")
    return tuple(packing.unpack(answer.payloads))


async def _remember(memory: Memory, result: Any) -> None:
    try:
        payloads = packing.pack(result if isinstance(result, tuple) else (result,))
    except (TypeError, ValueError):  # as it can't be sent, which is said when that is tried
        payloads = None
    try:
        await memory.remember(payloads)
    except Exception:  # it is done, whatever the cache says: its client gets the answer
        logger.exception("that an event was handled could not be remembered")


async def _renew(name: str) -> None:
    while True:
        await asyncio.sleep(LEASE / 3)
        try:
            # Not in the handler's own thread, which a plain `def` holds.
            await sync_to_async(_touch, thread_sensitive=False)(name)
        except Exception:
            logger.exception("that an event is being handled could not be remembered")


def _touch(name: str) -> None:
    try:
        caches[settings.ONCE_CACHE].touch(name, LEASE)
    finally:
        close_old_connections()
