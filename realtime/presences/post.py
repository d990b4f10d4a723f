"""News of presence on its way to the layer: in order, and never piling up."""

import asyncio
from collections import deque
from collections.abc import Callable

from ..cluster.bus import Message
from ..cluster.cluster import Cluster
from ..cluster.layers import reaches_processes
from ..exceptions import ChannelLayerError
from ..metrics.counters import count

#: Messages that may wait for the layer. With more, all are dropped, and nodes compare later.
MAX_WAITING = 10_000


class PresencePost:
    """Sends messages one after the other; `lost` is called when some could not be sent."""

    def __init__(self, cluster: Cluster, lost: Callable[[], None]) -> None:
        self._cluster = cluster
        self._lost = lost
        self._waiting: deque[tuple[str, str, Message]] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_alone(self) -> bool:
        """Whether there is no other process that could know anything."""
        return not reaches_processes(self._cluster.bus.layer) and not self._cluster.nodes.live

    def put(self, group: str, kind: str, body: Message) -> None:
        """Send to every process in a group of the layer, soon."""
        if self.is_alone:
            return
        self._waiting.append((group, kind, body))
        if self._cluster.bus.in_trouble or len(self._waiting) > MAX_WAITING:
            self._give_up()
        elif self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._send_all())

    async def stop(self) -> None:
        """Stop sending."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send_all(self) -> None:
        while self._waiting:
            group, kind, body = self._waiting.popleft()
            try:
                await self._cluster.bus.tell(group, kind, body)
            except ChannelLayerError as error:
                self._cluster.bus.trouble(error)
                self._give_up(1)

    def _give_up(self, failed: int = 0) -> None:
        count("presence.lost", len(self._waiting) + failed)
        self._waiting.clear()
        self._lost()
