"""What a run of clusters found, and what an emit costs by it."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self

MICROSECONDS = 1e6


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Totals of one round of a phase.

    `hosts` are those of Redis; `clock` the seconds over which processor time was taken, and
    `seconds` those until the last delivery. Processor time in seconds, of each process by itself.
    """

    peer: str
    nodes: int
    hosts: int
    shape: str
    source: str
    round: int
    emits: int
    deliveries: int
    lost: int
    seconds: float
    clock: float
    node: tuple[float, ...]
    sender: float
    redis: tuple[float, ...]
    commands: int
    received: int
    sent: int


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes in the servers for each socket, and in Redis for each room that a node is in.

    `join_node` and `join_redis` are seconds of processor time for one such membership.
    """

    peer: str
    nodes: int
    hosts: int
    socket_bytes: float
    membership_bytes: float
    join_node: float
    join_redis: float


@dataclass(frozen=True, kw_only=True)
class Key:
    """One phase of one cluster."""

    peer: str
    nodes: int
    shape: str
    source: str
    hosts: int = 1


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one emit, the least of the rounds, without what the idle cluster takes; microseconds.

    The least, because whatever else runs on the machine only adds.
    `node` is the mean over the nodes, `cluster` their sum, `redis` the sum over the hosts and
    `host` the busiest of them; `busiest` and `calmest` are nodes.
    """

    node: float
    busiest: float
    calmest: float
    cluster: float
    sender: float
    redis: float
    host: float
    commands: float
    received: float
    sent: float


@dataclass
class Results:
    about: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)

    def add(self, found: Sample | Footprint) -> None:
        if isinstance(found, Sample):
            self.samples.append(found)
        else:
            self.footprints.append(found)

    @property
    def lost(self) -> int:
        return sum(sample.lost for sample in self.samples)

    @property
    def deliveries(self) -> int:
        return sum(sample.deliveries for sample in self.samples)

    def nodes(self, hosts: int = 1) -> list[int]:
        return sorted({sample.nodes for sample in self.samples if sample.hosts == hosts})

    def of(self, key: Key) -> list[Sample]:
        return [
            sample
            for sample in self.samples
            if (sample.peer, sample.nodes, sample.hosts) == (key.peer, key.nodes, key.hosts)
            and (sample.shape, sample.source) == (key.shape, key.source)
        ]

    def rate(self, key: Key) -> float | None:
        """Emits in a second until the last delivery."""
        samples = self.of(key)
        if not samples:
            return None
        return statistics.median(sample.emits / sample.seconds for sample in samples)

    def idle(self, peer: str, nodes: int, hosts: int = 1) -> Sample | None:
        """The calmest of its rounds."""
        key = Key(peer=peer, nodes=nodes, shape="none", source="idle", hosts=hosts)
        return min(self.of(key), key=lambda sample: sum(sample.node), default=None)

    def cost(self, key: Key) -> Cost | None:
        idle = self.idle(key.peer, key.nodes, key.hosts)
        samples = self.of(key)
        if idle is None or not samples:
            return None
        costs = [_cost(sample, idle) for sample in samples]
        return Cost(
            **{
                name: min(getattr(cost, name) for cost in costs)
                for name in Cost.__dataclass_fields__
            }
        )

    def footprint(self, peer: str) -> Footprint | None:
        """Of the largest cluster with one Redis, where the sockets are most evenly spread."""
        found = [one for one in self.footprints if one.peer == peer and one.hosts == 1]
        return max(found, key=lambda one: one.nodes, default=None)

    def as_dict(self) -> dict[str, Any]:
        return {
            "about": self.about,
            "failures": self.failures,
            "footprints": [asdict(footprint) for footprint in self.footprints],
            "samples": [asdict(sample) for sample in self.samples],
        }

    @classmethod
    def of_dict(cls, said: dict[str, Any]) -> Self:
        return cls(
            about=said["about"],
            failures=said["failures"],
            footprints=[Footprint(**one) for one in said["footprints"]],
            samples=[
                Sample(**(one | {"node": tuple(one["node"]), "redis": tuple(one["redis"])}))
                for one in said["samples"]
            ],
        )


def _cost(sample: Sample, idle: Sample) -> Cost:
    share = sample.clock / idle.clock

    def net(of: Callable[[Sample], float]) -> float:
        return (of(sample) - of(idle) * share) / sample.emits

    nodes = [MICROSECONDS * value for value in _each(sample, idle, "node")]
    hosts = [MICROSECONDS * value for value in _each(sample, idle, "redis")]
    return Cost(
        node=statistics.mean(nodes),
        busiest=max(nodes),
        calmest=min(nodes),
        cluster=sum(nodes),
        sender=MICROSECONDS * net(lambda one: one.sender),
        redis=sum(hosts),
        host=max(hosts),
        commands=net(lambda one: one.commands),
        received=net(lambda one: one.received),
        sent=net(lambda one: one.sent),
    )


def _each(sample: Sample, idle: Sample, name: str) -> Iterator[float]:
    share = sample.clock / idle.clock
    for spent, resting in zip(getattr(sample, name), getattr(idle, name), strict=True):
        yield (spent - resting * share) / sample.emits
