"""Tells all nodes that a login may have ended; in the background, until it went out.

Whoever logs out waits for the layer only for a moment: what did not go out until then is tried
again and again, and what a node missed all the same it finds by looking (see guard.py).
"""

import asyncio
import atexit
import concurrent.futures
import functools
import itertools
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ..aio.tasks import Tasks
from ..cluster import groups
from ..conf import settings
from ..exceptions import ChannelLayerError, EmitError
from ..metrics.counters import count
from ..node import current
from ..node.base import Node
from .login import Notice, is_other
from .memory import SECONDS

logger = logging.getLogger("realtime.revocation")

KIND = "revoke"
#: Seconds that the caller waits for the layer.
PATIENCE = 0.5
#: Seconds after which a notice that went out is sent once more, for those who were away just then.
REPEAT = 2.0
#: Seconds between two tries to send one that did not.
RETRY = 1.0
#: Notices that may be on their way; those beyond are sent once.
MAX_PENDING = 1_000

#: By the id of the node: how many notices it has told.
_numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))
_told: dict[str, tuple[int, float]] = {}
#: Those about logins, and others: many of these are not to keep those from being repeated.
_pending = (Tasks(), Tasks())
#: What a process without a server has not sent yet, for which it waits before it ends.
_unsent: set[concurrent.futures.Future[None]] = set()
_lock = threading.Lock()


def tell(notice: Notice) -> None:
    """Tell every node, this process's own first. From any thread; waits PATIENCE at most."""
    telling = _start(notice)
    if telling is None or _is_in_loop():
        return
    try:
        telling.result(PATIENCE)
    except concurrent.futures.TimeoutError:
        _go_on(telling)


async def atell(notice: Notice) -> None:
    """`tell` for async code."""
    telling = _start(notice)
    if telling is not None:
        _, waiting = await asyncio.wait([asyncio.wrap_future(telling)], timeout=PATIENCE)
        if waiting:
            _go_on(telling)


def _start(notice: Notice) -> concurrent.futures.Future[None] | None:
    try:
        node = current.current()
    except EmitError:
        return None  # there is no server that could be reached from here, and so no socket
    if node.loop is None:
        return None  # a test, in which no server runs
    return asyncio.run_coroutine_threadsafe(_tell(node, notice), node.loop)


def _go_on(telling: concurrent.futures.Future[None]) -> None:
    """It goes on in the background, and the end of the process waits for it."""
    if current.serving() is None:
        _unsent.add(telling)
        telling.add_done_callback(_unsent.discard)
        _register_flush()


@functools.cache
def _register_flush() -> None:
    # After the publisher registered its own end, and so before it.
    atexit.register(lambda: concurrent.futures.wait(_unsent.copy(), settings.EMIT_TIMEOUT))


def last_told(node_id: str) -> tuple[int, float]:
    """The number of the last notice that a node of this process told, and when."""
    return _told.get(node_id, (0, 0.0))


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _tell(node: Node, notice: Notice) -> None:
    with _lock:
        number = next(_numbers[node.id])
        _told[node.id] = (number, time.monotonic())
    body = {"notice": notice, "nth": number}
    handler = node.bus.on.get(KIND)
    if handler is not None:
        handler(node.bus.message(KIND, body))
    if node.bus.layer is None:
        return
    sent = await _send(node, body)
    if not sent:
        count("revocations.failed")
        logger.error(
            "other processes could not be told that a login or a right has changed; trying again"
            " every %d s",
            RETRY,
        )
    pending = _pending[is_other(notice)]
    if len(pending) < MAX_PENDING:
        pending.start(_repeat(node, body, sent))


async def _repeat(node: Node, body: dict[str, Any], sent: bool) -> None:
    given_up = time.monotonic() + SECONDS
    while not sent and time.monotonic() < given_up:
        await asyncio.sleep(RETRY)
        sent = await _send(node, body)
    await asyncio.sleep(REPEAT)
    await _send(node, body)


async def _send(node: Node, body: dict[str, Any]) -> bool:
    try:
        await node.bus.tell(groups.NODES, KIND, body)
    except ChannelLayerError:
        return False
    return True
