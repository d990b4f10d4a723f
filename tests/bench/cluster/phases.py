"""What is measured with each cluster, one phase after another with the same sockets."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from tests.bench.catalogue import Peer
from tests.bench.cluster.catalogue import PUBSUB, Sizes
from tests.bench.cluster.farm import Farm, Reading, farm
from tests.bench.cluster.load import ClusterLoad, Outcome, Pace, payload
from tests.bench.cluster.placement import SHAPES, Client, hosted, place
from tests.bench.cluster.results import Footprint, Sample

Trigger = Callable[[], None]
Found = tuple[float, float, float]
#: Groups that a process joins at a time when it joins many, as realtime does.
AT_A_TIME = 50


@dataclass(frozen=True, kw_only=True)
class Phase:
    """`source` is who emits: a process without a server ("outside"), or a node that a member of
    the room asked ("inside"), or such nodes as fast as they can ("flood")."""

    shape: str
    source: str


PHASES = (
    *(Phase(shape=shape, source="outside") for shape in SHAPES),
    Phase(shape="near", source="inside"),
    Phase(shape="near", source="flood"),
    Phase(shape="large", source="flood"),
)
SHARDED_PHASES = PHASES[:2]


class Run:
    """One cluster with all its sockets connected."""

    def __init__(self, farm: Farm, load: ClusterLoad, clients: list[Client], sizes: Sizes) -> None:
        self._farm = farm
        self._load = load
        self._sizes = sizes
        self._rooms = {
            shape: itertools.cycle(enumerate(hosted(clients, shape).items())) for shape in SHAPES
        }

    def sample(self, phase: Phase, round: int) -> Sample:
        triggers, members, pace = self._work(phase)
        before = self._farm.begin()
        outcome = self._load.emits(triggers, members, pace)
        time.sleep(0.1)  # what a node does after its last delivery belongs to it
        return self._sampled(phase, round, before, len(triggers), outcome)

    def idle(self, round: int, seconds: float) -> Sample:
        before = self._farm.begin()
        time.sleep(seconds)
        outcome = Outcome(deliveries=0, lost=0, seconds=seconds)
        return self._sampled(Phase(shape="none", source="idle"), round, before, 0, outcome)

    def _sampled(
        self, phase: Phase, round: int, before: Reading, emits: int, outcome: Outcome
    ) -> Sample:
        spent = self._farm.end().since(before)
        return Sample(
            peer=self._farm.peer.name,
            nodes=len(self._farm.servers),
            hosts=len(self._farm.urls),
            shape=phase.shape,
            source=phase.source,
            round=round,
            emits=emits,
            deliveries=outcome.deliveries,
            lost=outcome.lost,
            seconds=outcome.seconds,
            clock=spent.clock,
            node=spent.nodes,
            sender=spent.sender,
            redis=spent.redis,
            commands=spent.commands,
            received=spent.received,
            sent=spent.sent,
        )

    def _work(self, phase: Phase) -> tuple[list[Trigger], int, Pace]:
        sizes, large = self._sizes, phase.shape == "large"
        rate = sizes.large_rate if large else sizes.rate
        count = sizes.large_emits if large else sizes.emits
        pace = Pace(rate=rate)
        if phase.source == "flood":
            count = sizes.large_flood if large else sizes.flood
            pace = Pace(rate=1e9, window=2 if large else sizes.window)
        chosen = list(itertools.islice(self._rooms[phase.shape], count))
        if phase.source == "outside":
            triggers = [self._outside(name) for _, (name, _) in chosen]
        else:
            triggers = [
                self._load.asking(name, turn, answered=phase.source == "flood")
                for turn, (name, _) in chosen
            ]
        return triggers, chosen[0][1][1].members, pace

    def _outside(self, room: str) -> Trigger:
        pipe, line = self._farm.sender.stdin, json.dumps(payload(room)) + "\n"

        def trigger() -> None:
            pipe.write(line)  # type: ignore[union-attr]
            pipe.flush()  # type: ignore[union-attr]

        return trigger


def measure(peer: Peer, nodes: int, hosts: int, sizes: Sizes) -> Iterator[Sample | Footprint]:
    """Run one cluster through its phases."""
    clients = place(nodes, sizes.rooms, sizes.members)
    with (
        farm(peer, nodes, hosts) as running,
        ClusterLoad([server.port for server in running.servers]) as load,
    ):
        yield _entered(running, load, clients, sizes)
        run = Run(running, load, clients, sizes)
        load.weigh_delivery(run._outside(clients[0].rooms["large"]))
        running.settle()
        yield from (run.idle(round, sizes.idle) for round in range(sizes.rounds))
        for phase in SHARDED_PHASES if hosts > 1 else PHASES:
            if phase.source == "flood":
                yield run.sample(phase, 0)
                running.settle()  # what a node has not heard yet is no later phase's
                continue
            run.sample(phase, -1)  # what is done once, at first use, is no emit's
            yield from (run.sample(phase, round) for round in range(sizes.rounds))


def _entered(running: Farm, load: ClusterLoad, clients: list[Client], sizes: Sizes) -> Footprint:
    """Connect all, and see what the second half of them takes."""
    half = len(clients) // 2
    load.enter(clients[:half])
    running.settle()
    before = running.resident_bytes()
    load.enter(clients[half:])
    running.settle()
    taken = running.resident_bytes() - before
    mine, redis, held = (
        _join(running, sizes.joins) if running.peer.family == "realtime" else (0.0, 0.0, 0.0)
    )
    return Footprint(
        peer=running.peer.name,
        nodes=len(running.servers),
        hosts=len(running.urls),
        socket_bytes=taken / (len(clients) - half),
        membership_bytes=held,
        join_node=mine,
        join_redis=redis,
    )


def _join(running: Farm, count: int) -> tuple[float, float, float]:
    """A membership: processor time in the process that joins, and in Redis, and bytes in Redis.

    This process is the one that joins here; it is what the layer itself takes of a node.
    """
    kind = RedisPubSubChannelLayer if running.peer == PUBSUB else RedisChannelLayer
    held, mine, before = running.redis_bytes(), time.process_time(), running.begin()

    def spent() -> tuple[float, float]:
        return sum(running.end().since(before).redis), time.process_time() - mine

    async def joined(layer: Any) -> Found:
        channel = await layer.new_channel("realtime")
        for start in range(0, count, AT_A_TIME):
            groups = range(start, min(start + AT_A_TIME, count))
            await asyncio.gather(*(layer.group_add(f"join.{n}", channel) for n in groups))
        redis, own = spent()
        if kind is RedisChannelLayer:
            await layer.close_pools()  # connections do not count; the memberships stay
            return own / count, redis / count, (running.redis_bytes() - held) / count
        held_now = running.redis_bytes()
        await layer.flush()  # of this layer, whose memberships are its connection's
        return own / count, redis / count, (held_now - held) / count

    return asyncio.run(joined(kind(hosts=running.urls)))
