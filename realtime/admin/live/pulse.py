"""One regular look for all staff who watch pages in this process; none while nobody does."""

import asyncio
import contextlib
import logging
import time
import weakref
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from ...exceptions import ChannelLayerError
from ...node.current import serving
from ...node.threads import lanes
from ...operations.nodes import afetch_nodes
from ...operations.reports import NodeInfo
from ...operations.sockets import afetch_changes

logger = logging.getLogger("realtime.admin")

#: Seconds from one beat to the next.
INTERVAL = 2.0
#: Beats after which pages refresh even if nothing changed: ages and outboxes change by themselves.
CALM_BEATS = 5
#: Beats that the charts go back: five minutes.
REMEMBERED = 150
#: What a reading has of a node's `stats`.
CHARTED = (
    "sockets",
    "connections",
    "connections_polling",
    "events_in_rate",
    "events_out_rate",
    "memory",
    "uptime",
)

Reading = dict[str, Any]


class Watcher(Protocol):
    """A staff user's open page, as the pulse sees it."""

    @property
    def watches(self) -> bool:
        """Whether a page has asked to be told of changes."""

    @property
    def charts(self) -> bool:
        """Whether it is the page with the charts of nodes."""

    async def still_may(self) -> bool:
        """Check the permissions again; if they are gone, so is the watcher when this returns."""

    async def tell(self, event: str, *args: Any) -> None: ...


class Pulse:
    """The watchers of one event loop. It runs while there are any."""

    def __init__(self) -> None:
        #: The last minutes of the charts, as far as somebody watched.
        self.readings: deque[Reading] = deque(maxlen=REMEMBERED)
        self._watchers: set[Watcher] = set()
        self._task: asyncio.Task[None] | None = None
        self._seen: object = None
        self._calm = 0

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def add(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)
        if not self.running:
            self._task = asyncio.get_running_loop().create_task(self._beat())

    def remove(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        # In the beat itself, which sends away who may watch no more, it ends by the loop below.
        if not self._watchers and self._task not in (None, asyncio.current_task()):
            self._task.cancel()
            self._task = None

    async def _beat(self) -> None:
        while self._watchers:
            await asyncio.sleep(INTERVAL)
            lane = lanes().acquire()
            try:
                await self._look_after(list(self._watchers))
            except Exception:  # a database that is down for a moment must not end it for all
                logger.exception("the admin's live pages could not be told of changes")
            finally:
                lanes().release(lane)

    async def _look_after(self, watchers: Collection[Watcher]) -> None:
        allowed = [watcher for watcher in watchers if await watcher.still_may()]
        watching = [watcher for watcher in allowed if watcher.watches]
        is_news = bool(watching) and await self._is_news()
        for watcher in watching:
            if is_news:
                await watcher.tell("tick")
        charting = [watcher for watcher in watching if watcher.charts]
        if charting:
            reading = await self._read()
            for watcher in charting:
                await watcher.tell("nodes", [reading])

    async def _is_news(self) -> bool:
        """Whether anything changed, on any node, since the last time."""
        if serving() is None:
            return True
        try:
            seen = await afetch_changes(timeout=INTERVAL / 2)
        except ChannelLayerError:
            return True  # then the page itself says what is wrong
        if seen != self._seen:
            self._seen, self._calm = seen, 0
            return True
        self._calm += 1
        return self._calm % CALM_BEATS == 0

    async def _read(self) -> Reading:
        nodes: tuple[NodeInfo, ...] = ()
        with contextlib.suppress(ChannelLayerError):  # the chart has a gap, and the page says why
            nodes = (await afetch_nodes(timeout=INTERVAL / 2)).nodes
        reading = {"at": time.time(), "nodes": charted(nodes)}
        self.readings.append(reading)
        return reading


def charted(nodes: Iterable[NodeInfo]) -> list[dict[str, Any]]:
    """What a reading has of these nodes: id, host, pid, and `stats` with the names in CHARTED."""
    return [
        {
            "id": node.id,
            "host": node.host,
            "pid": node.pid,
            "stats": {name: node.stats.get(name, 0.0) for name in CHARTED},
        }
        for node in nodes
    ]


_pulses: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pulse]" = weakref.WeakKeyDictionary()


def pulse() -> Pulse:
    """The pulse of the running event loop."""
    return _pulses.setdefault(asyncio.get_running_loop(), Pulse())
