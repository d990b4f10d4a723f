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

from ..exceptions import ChannelLayerError
from ..metrics import counters as metrics
from ..metrics import instruments
from ..node import rooms
from ..node.emissions import Emission
from ..node.rooms import Group
from .beats import LEASE, Nodes
from .bus import Bus, Message, end
from .layers import reaches_processes
from .losses import Incoming
from .memberships import UPKEEP_INTERVAL, Memberships
from .numbers import Outgoing, from_body
from .remembered import Remembered
from .requests import Requests

logger = logging.getLogger("realtime.cluster")

#: Groups that are asked about in one question, after trouble.
GROUPS_A_QUESTION = 2_000

_running: "weakref.WeakSet[Cluster]" = weakref.WeakSet()


class Cluster:
    """This process's place among the others, for one server and its event loop."""

    def __init__(self, node_id: str, deliver: Callable[[Emission], int]) -> None:
        self.node_id = node_id
        self.bus = Bus(node_id)
        self.memberships = Memberships(self.bus)
        self.nodes = Nodes(self.bus)
        self.requests = Requests(self.bus, self.nodes)
        #: Called with the groups in which messages for us were lost, and how many they were.
        self.on_lost: list[Callable[[Collection[Group], int], None]] = []
        self._deliver = deliver
        self._outgoing = Outgoing(self.bus)
        self._incoming = Incoming()
        self._seen = Remembered()
        #: When we last knew that we hear everything.
        self._sound_at = 0.0
        self._to_ask_after = False
        self._tasks: list[asyncio.Task[None]] = []
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
        self._sound_at = time.monotonic()
        self.memberships.own(rooms.node_group(self.node_id), rooms.NODES)
        self.bus.listen()
        self._tasks = [asyncio.ensure_future(self._keep_up()), asyncio.ensure_future(self._beat())]

    async def stop(self) -> None:
        """Say goodbye, leave the groups and stop listening."""
        _running.discard(self)
        await end(self._tasks)
        if self._tasks and not self.bus.in_trouble:
            await self._say_goodbye()
        self._tasks = []
        await self.bus.stop()

    async def _say_goodbye(self) -> None:
        try:
            await self.nodes.beat(bye=True)
        except ChannelLayerError as error:
            self.bus.trouble(error)
        await self.memberships.leave_all()

    async def publish(self, emission: Emission) -> None:
        """Send an emission to the other processes. Raises ChannelLayerError."""
        layer = self.bus.layer
        if layer is None or (not reaches_processes(layer) and len(_running) < 2):
            return
        await self._outgoing.publish(emission)

    def _heard_emit(self, message: Message) -> None:
        emission = from_body(message)
        series, number = message["series"]
        sender = message["node"]
        self._incoming.heard(sender, message["group"], series, number, time.monotonic())
        # One to several rooms may have come already, by another of them.
        if message["copies"] == 1 or not self._seen.note((sender, message["id"])):
            self._deliver_here(emission, message["at"])

    def _deliver_here(self, emission: Emission, sent_at: float) -> None:
        if instruments.tracing is None:
            self._deliver(emission)
        else:
            with instruments.tracing.delivering(emission):
                self._deliver(emission)
        if instruments.timings is not None:
            instruments.timings.arrived(time.time() - sent_at)

    # Upkeep

    async def _beat(self) -> None:
        # Not before we are in the groups: the first beat asks the others to answer it.
        await self.memberships.keep_up()
        await self.nodes.keep_beating()

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_INTERVAL)
            self._incoming.forget(map(rooms.layer_group, await self.memberships.keep_up()))
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
        groups = [rooms.layer_group(group) for group in self.memberships.needed]
        for start in range(0, len(groups), GROUPS_A_QUESTION):
            asked = groups[start : start + GROUPS_A_QUESTION]
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
            self._incoming.compare(node, group, int(series), int(number), age, gap, now)

    def _last_sent(self, body: Message) -> dict[str, list[float]]:
        return self._outgoing.last(body["groups"])

    def _count_lost(self) -> None:
        lost = self._incoming.lost(time.monotonic())
        total = lost.total()
        if not total:
            return
        metrics.count("lost", total)
        affected = self._of_names(lost)
        logger.error(
            "%d messages of other processes did not reach this one, in %d rooms. Its clients there"
            " have missed events.",
            total,
            len(affected),
        )
        for callback in self.on_lost:
            callback(affected, total)

    def _of_names(self, names: Iterable[str]) -> list[Group]:
        wanted = set(names)
        return [group for group in self.memberships.needed if rooms.layer_group(group) in wanted]
