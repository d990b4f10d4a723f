"""A handler that is called once for each key; a repeat gets the answer of the first call."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.db import close_old_connections

from ..aio.tasks import end
from ..conf import settings
from ..exceptions import EventError
from ..metrics.counters import count
from ..node import packing
from .keys import ReadKey, digest
from .memory import LEASE, Answer, Memory

logger = logging.getLogger("realtime.once")

Call = Callable[..., Any]


def handle_once(call: Call, event: str, read_key: ReadKey) -> Call:
    """A handler's call, which does nothing for a repeat but answer it."""

    async def called(consumer: Any, *args: Any) -> Any:
        memory = Memory(digest(consumer, event, read_key(args)))
        answer = await memory.begin()
        if answer is not None:
            return _again(answer)
        renewal = asyncio.ensure_future(_renew(memory.name))
        try:
            result = await call(consumer, *args)
        except BaseException:  # a client may try again what failed, or was cut off
            await memory.forget()
            raise
        finally:
            await end([renewal])
        await _remember(memory, result)
        return result

    return called


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
