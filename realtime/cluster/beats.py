"""Which processes serve: each tells all others, and itself, that it is alive.

A process that no longer hears its own beat is deaf: it can send, but hears nobody.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..aio.tasks import Tasks
from ..conf import settings
from ..exceptions import ChannelLayerError
from ..metrics.counters import count
from . import groups
from .bus import Bus, Message

logger = logging.getLogger("realtime.cluster")

#: So many beats may fail to come before a node counts as gone, or a process as deaf.
LEASE = 5
#: Nodes that beat at the interval of the settings. More beat less often in proportion, so that
#: what each process hears in a second stays the same.
UNHURRIED = 20
#: A process that hears others, and not itself, has a backlog; if it is not through with it after so
#: many leases, it is deaf all the same.
BACKLOG = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Another node, as its last beat had it."""

    id: str
    #: Seconds between its beats.
    interval: float
    draining: bool
    #: When the beat came, as time.monotonic() counts.
    heard: float


class Nodes:
    """The other nodes, and our own health."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.live: dict[str, Peer] = {}
        #: Called with the id of a node that is new, or back, or gone.
        self.came: list[Callable[[str], None]] = []
        self.gone: list[Callable[[str], None]] = []
        #: Called when messages may have passed us by, and we hear again.
        self.recovered: list[Callable[[], None]] = []
        #: We take no new sockets.
        self.draining = False
        self._beats = 0
        self._heard = 0
        self._heard_at = -1.0
        #: Sent since we last heard ourselves, without an error.
        self._unheard = 0
        self._was_deaf = False
        # In leases: how long we wait for ourselves before we subscribe again.
        self._patience = 1
        self._tasks = Tasks()
        bus.echoed.add("beat")
        bus.on["beat"] = self._heard_beat

    @property
    def interval(self) -> float:
        """Seconds between our beats."""
        seconds: float = settings.HEARTBEAT_INTERVAL
        return seconds * max(1.0, (len(self.live) + 1) / UNHURRIED)

    @property
    def healthy(self) -> bool:
        """Whether we hear ourselves through the layer."""
        if self._bus.layer is None:
            return True
        return self._heard_at >= 0 and self._silence() <= LEASE * self.interval

    def _silence(self) -> float:
        return time.monotonic() - self._heard_at

    async def beat(self, *, bye: bool = False, to: str = groups.NODES) -> None:
        """Tell the others that we live, or that we go. Raises ChannelLayerError."""
        is_for_all = to == groups.NODES
        # Only what we hear ourselves is numbered: a gap is a beat that did not come back.
        self._beats += is_for_all
        body = {
            "beat": self._beats,
            "interval": self.interval,
            "draining": self.draining,
            # Who hears us for the first time is to beat at once, for us to know it.
            "hello": self._heard_at < 0 and is_for_all,
            "bye": bye,
        }
        await self._bus.tell(to, "beat", body)
        self._unheard += is_for_all

    async def keep_beating(self) -> None:
        """Beat, look for those who don't, and for ourselves; until cancelled."""
        self._heard_at = -1.0
        while True:
            try:
                await self.beat()
            except ChannelLayerError as error:
                self._bus.trouble(error)
            sent_at = time.monotonic()
            await asyncio.sleep(self.interval)
            if time.monotonic() - sent_at > LEASE * self.interval:
                self._was_away()
            else:
                self._look_for_the_gone(time.monotonic())
                await self._look_for_ourselves()

    def _was_away(self) -> None:
        """We were suspended, or the loop was blocked: whoever seems silent was not."""
        count("nodes.suspended")
        logger.warning(
            "this process was suspended, or its event loop blocked, for several heartbeats; it asks"
            " the other nodes what it missed"
        )
        self._give_all_time()
        self._was_deaf = True

    def _give_all_time(self) -> None:
        now = time.monotonic()
        self.live = {id: replace(peer, heard=now) for id, peer in self.live.items()}

    def _look_for_the_gone(self, now: float) -> None:
        # While we hear not even ourselves, the silence of others says nothing about them.
        if self._heard_at < 0 or self._silence() > 2 * self.interval:
            return
        for peer in list(self.live.values()):
            if now - peer.heard > LEASE * max(peer.interval, self.interval):
                silence = now - peer.heard
                logger.warning("node %s is gone: no heartbeat for %.1f s", peer.id, silence)
                count("nodes.lost")
                self._remove(peer.id)

    async def _look_for_ourselves(self) -> None:
        if self._unheard <= LEASE * self._patience or self._bus.in_trouble:
            return
        lease = LEASE * self.interval
        hears_others = time.monotonic() - self._bus.heard_at < lease
        if hears_others and self._unheard <= LEASE * max(BACKLOG, self._patience):
            return
        await self._hear_anew()

    async def _hear_anew(self) -> None:
        self._unheard = 0
        self._was_deaf = True
        count("layer.deaf")
        logger.error(
            "this process is deaf: the channel layer %r accepts what it sends, but does not"
            " deliver even its own heartbeats. The process is unhealthy, and subscribes again.",
            settings.CHANNEL_LAYER,
        )
        await self._bus.renew(afresh=self._patience > 1)
        # Each further time after a longer wait, for it is work for the layer, too.
        self._patience = min(2 * self._patience, BACKLOG)

    def _remove(self, id: str) -> None:
        if self.live.pop(id, None) is not None:
            for callback in self.gone:
                callback(id)

    # What is heard

    def _heard_beat(self, message: Message) -> None:
        if message["node"] == self._bus.node_id:
            self._heard_ourselves(message["beat"])
        elif message["bye"]:
            self._remove(message["node"])
        else:
            self._heard_peer(message)

    def _heard_ourselves(self, beat: int) -> None:
        silent = self._heard_at >= 0 and self._silence() > 2 * self.interval + 1
        skipped = self._heard_at >= 0 and beat > self._heard + 1
        self._heard, self._heard_at, self._unheard = beat, time.monotonic(), 0
        self._patience = 1
        self._bus.well()
        if silent:
            self._give_all_time()
        if silent or skipped or self._was_deaf:
            self._was_deaf = False
            for callback in self.recovered:
                callback()

    def _heard_peer(self, message: Message) -> None:
        id: str = message["node"]
        is_new = id not in self.live
        self.live[id] = Peer(
            id=id,
            interval=float(message["interval"]),
            draining=bool(message["draining"]),
            heard=time.monotonic(),
        )
        if message["hello"]:
            self._tasks.start(self._introduce(id))
        if is_new:
            for callback in self.came:
                callback(id)

    async def _introduce(self, id: str) -> None:
        try:
            await self.beat(to=groups.node_group(id))
        except ChannelLayerError as error:
            self._bus.trouble(error)
