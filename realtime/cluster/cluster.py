"""The other processes of the site, reached over the channel layer.

Each process owns one channel and puts it in the group of every room and namespace that it has
sockets in. An emit is one message to each process that has members, whatever the number of their
sockets.
"""

import asyncio
import logging
import time
import weakref
from collections.abc import Callable, Collection, Iterable

from ..aio.tasks import Tasks
from ..exceptions import ChannelLayerError
from ..metrics import counters as metrics
from . import groups
from .beats import LEASE, Nodes
from .bus import Bus, Message
from .direct import Direct, Left, direct
from .groups import Group
from .layers import reaches_processes
from .losses import Losses
from .memberships import UPKEEP_INTERVAL, Memberships
from .numbers import Outgoing
from .remembered import Remembered
from .requests import Requests

logger = logging.getLogger("realtime.cluster")

#: Groups that are asked about in one question, after trouble.
GROUPS_A_QUESTION = 2_000

_running: "weakref.WeakSet[Cluster]" = weakref.WeakSet()


class Cluster:
    """This process's place among the others, for one server and its event loop.

    `heard` is called with the body of each emission that another process published.
    """

    def __init__(self, node_id: str, heard: Callable[[Message], None]) -> None:
        self.node_id = node_id
        self.bus = Bus(node_id)
        self.memberships = Memberships(self.bus)
        self.nodes = Nodes(self.bus)
        self.requests = Requests(self.bus, self.nodes)
        #: Called with the groups in which messages for us were lost, and how many they were.
        self.on_lost: list[Callable[[Collection[Group], int], None]] = []
        #: What threads send without the event loop, where they can.
        self.direct: Direct | None = None
        self._heard = heard
        self._outgoing = Outgoing(self.bus)
        self._losses = Losses()
        self._seen = Remembered()
        #: When we last knew that we hear everything.
        self._sound_at = 0.0
        self._to_ask_after = False
        self._tasks = Tasks()
        self.bus.on["emit"] = self._heard_emit
        self.bus.on_trouble.append(self.memberships.forget)
        self.nodes.recovered.append(self._recovered)
        self.requests.answers["last"] = self._last_sent

    def start(self) -> None:
        """Begin to listen; to be called in the server's event loop."""
        self.bus.open()
        if self.bus.layer is None:
            return
        _running.add(self)
        self.direct = direct(self.bus, self._outgoing)
        self._sound_at = time.monotonic()
        self.memberships.own(groups.node_group(self.node_id), groups.NODES)
        self.bus.listen()
        for work in (self._keep_up(), self._beat()):
            self._tasks.start(work)

    async def stop(self) -> None:
        """Say goodbye, leave the groups and stop listening."""
        _running.discard(self)
        self._end_direct()
        was_running = bool(self._tasks)
        await self._tasks.end()
        if was_running and not self.bus.in_trouble:
            await self._say_goodbye()
        await self.bus.stop()

    def _end_direct(self) -> None:
        ended, self.direct = self.direct, None
        if ended is not None:
            ended.close()

    async def _say_goodbye(self) -> None:
        try:
            await self.nodes.beat(bye=True)
        except ChannelLayerError as error:
            self.bus.trouble(error)
        await self.memberships.leave_all()

    @property
    def reaches_others(self) -> bool:
        """Whether anybody could hear what is published."""
        layer = self.bus.layer
        return layer is not None and (reaches_processes(layer) or len(_running) > 1)

    async def publish(self, to: Iterable[Group], body: Message) -> None:
        """Send an emission to the other processes in some groups. Raises ChannelLayerError."""
        await self._outgoing.publish(to, body)

    def publish_from_thread(self, to: Iterable[Group], body: Message) -> Left:
        """The same from any thread; what is left of it for the event loop."""
        if self.direct is None:
            return self.publish(to, body)
        return self.direct.publish(to, body)

    def _heard_emit(self, message: Message) -> None:
        series, number = message["series"]
        sender = message["node"]
        self._losses.heard(sender, message["group"], series, number, time.monotonic())
        # One to several rooms may have come already, by another of them.
        if message["copies"] == 1 or not self._seen.note((sender, message["id"])):
            self._heard(message)

    # Upkeep

    async def _beat(self) -> None:
        # Not before we are in the groups: the first beat asks the others to answer it.
        await self.memberships.keep_up()
        await self.nodes.keep_beating()

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_INTERVAL)
            self._losses.forget(map(groups.layer_group, await self.memberships.keep_up()))
            if self._to_ask_after and self.memberships.complete and not self.bus.in_trouble:
                self._to_ask_after = False
                await self._ask_what_was_sent()
            elif self.nodes.healthy and not self._to_ask_after:
                self._sound_at = time.monotonic()
            self._count_lost()

    # What was lost

    def _recovered(self) -> None:
        self._to_ask_after = True

    async def _ask_what_was_sent(self) -> None:
        """Ask the others for their last numbers in our groups, to tell what passed us by."""
        gap = time.monotonic() - self._sound_at + LEASE * self.nodes.interval
        needed = [groups.layer_group(group) for group in self.memberships.needed]
        for start in range(0, len(needed), GROUPS_A_QUESTION):
            asked = needed[start : start + GROUPS_A_QUESTION]
            try:
                replies = await self.requests.ask(
                    "last", {"groups": asked}, nodes=list(self.nodes.live)
                )
            except ChannelLayerError as error:
                self.bus.trouble(error)
                self._to_ask_after = True
                return
            for node, last in replies.answers.items():
                self._compare(node, last, gap)

    def _compare(self, node: str, last: dict[str, list[float]], gap: float) -> None:
        now = time.monotonic()
        for group, (series, number, age) in last.items():
            self._losses.compare(node, group, int(series), int(number), age, gap, now)

    def _last_sent(self, body: Message) -> dict[str, list[float]]:
        return self._outgoing.last(body["groups"])

    def _count_lost(self) -> None:
        lost = self._losses.lost(time.monotonic())
        total = lost.total()
        if not total:
            return
        metrics.count("lost", total)
        affected = self._of_names(lost)
        logger.error(
            "%d messages from other processes, for %d rooms, did not reach this one. Its clients in"
            " those rooms have missed events.",
            total,
            len(affected),
        )
        for callback in self.on_lost:
            callback(affected, total)

    def _of_names(self, names: Iterable[str]) -> list[Group]:
        wanted = set(names)
        return [group for group in self.memberships.needed if groups.layer_group(group) in wanted]
