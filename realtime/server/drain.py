"""The graceful shutdown of a server: handlers finish, and connections are closed gradually."""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any

from ..aio.tasks import Tasks
from ..conf import settings
from ..engine.connection import Connection
from ..engine.server import EngineServer
from .namespaces import Namespaces

logger = logging.getLogger("realtime.server")

#: What applications are told; clients see "transport close" or "transport error", and reconnect.
REASON = "server shutting down"
#: Seconds that the goodbye to the other processes gets where the drain took all the time.
LEAST = 1.0
#: Seconds between two looks whether a handler has ended.
TICK = 0.02
#: The part of DRAIN_TIMEOUT over which the batches may be spread; the rest is for handlers.
SPREAD = 0.5


class Drain:
    """Empties one server. From its beginning on the server is not ready for new clients.

    For the length of a delay it still serves those that come: a load balancer goes on sending them
    until it has asked again. Then new sessions are refused.
    """

    def __init__(self, engine: EngineServer, namespaces: Namespaces) -> None:
        self._engine = engine
        self._namespaces = namespaces
        self._task: asyncio.Task[None] | None = None
        self._closings = Tasks()
        self._deadline = 0.0
        # Ends every wait.
        self._at_once = asyncio.Event()

    @property
    def began(self) -> bool:
        """Whether load balancers are told to send clients elsewhere."""
        return self._task is not None or not self._engine.accepting

    def begin(self, *, delay: float = 0.0) -> asyncio.Task[None]:
        """Refuse new sessions and close those that are open; the task ends when none is left.

        Both begin after `delay` seconds, and from then on it is bounded by
        `REALTIME["DRAIN_TIMEOUT"]`. Begun already, it is the same task.
        """
        if self._task is None:
            self._engine.accepting = delay > 0
            self._namespaces.node.cluster.nodes.draining = True
            self._deadline = self._engine.wheel.time() + delay + settings.DRAIN_TIMEOUT
            self._task = asyncio.get_running_loop().create_task(self._run(delay))
        return self._task

    def hurry(self) -> None:
        """Wait for nothing any more: handlers in progress are ended, connections closed."""
        self._at_once.set()

    def resume(self) -> None:
        """Take sessions again."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._closings.cancel()
        self._engine.accepting = True
        self._namespaces.node.cluster.nodes.draining = False

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._engine.sockets)

    @property
    def time_left(self) -> float:
        """Seconds until the drain has to be over."""
        if self._at_once.is_set():
            return 0.0
        return max(0.0, self._deadline - self._engine.wheel.time())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, or there is no time left."""
        # Handlers that end and buffers that run empty send no event, and are to cost nothing more.
        while not condition() and self.time_left:  # noqa: ASYNC110
            await asyncio.sleep(TICK)

    async def bounded(self, work: Coroutine[Any, Any, None]) -> None:
        """Give what remains to be done the time that is left, but a little at least."""
        tasks = [asyncio.ensure_future(work), asyncio.ensure_future(self._at_once.wait())]
        seconds = min(settings.EMIT_TIMEOUT, max(LEAST, self.time_left))
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    # Private

    async def _run(self, delay: float) -> None:
        if delay:
            logger.info("draining: the first connections are closed in %g seconds", delay)
            await self._wait(delay)
        await self._empty()

    async def _empty(self) -> None:
        self._engine.accepting = False
        if self._engine.relay is not None:
            self._engine.relay.retire()
        connections = list(self._engine.sockets.values())
        size = _batch_size(len(connections))
        logger.info("draining: %d connections, %d at a time", len(connections), size)
        for first in range(0, len(connections), size):
            if first:
                # On a machine too slow for the batches' pace the rest follows without pauses.
                await self._wait(min(settings.DRAIN_PAUSE, self.time_left))
            batch = connections[first : first + size]
            logger.info("draining: closing %d connections", len(batch))
            self._closings.start(self._close(batch))
        await self.until(lambda: not self._closings)
        self._close_late()
        await self._namespaces.finished(self.time_left)
        await self.until(lambda: not self._engine.requests and not self._engine.owes)
        logger.info("draining: done")

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._at_once.wait()
        except TimeoutError:
            pass

    async def _close(self, connections: list[Connection]) -> None:
        """Close each as soon as none of its handlers is in progress, or CLOSE_TIMEOUT is over."""
        end = self._engine.wheel.time() + min(settings.CLOSE_TIMEOUT, self.time_left)
        while connections:
            is_late = not self.time_left or self._engine.wheel.time() >= end
            for connection in connections:
                if is_late or not self._namespaces.is_busy(connection):
                    connection.retire(REASON)
            connections = [connection for connection in connections if not connection.closed]
            if connections:
                await asyncio.sleep(TICK)

    def _close_late(self) -> None:
        """No time is left, or a handshake had begun before the drain."""
        for connection in list(self._engine.sockets.values()):
            connection.retire(REASON)


def _batch_size(connections: int) -> int:
    """DRAIN_BATCH, or more where so many connections would take too long."""
    batches = max(1.0, SPREAD * settings.DRAIN_TIMEOUT / max(settings.DRAIN_PAUSE, 0.001))
    size: int = max(1, settings.DRAIN_BATCH, math.ceil(connections / batches))
    return size
