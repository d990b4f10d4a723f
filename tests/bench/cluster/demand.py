"""What a cluster of some size needs by the model: processor time, messages, memory. Pure.

The rhythms are the code's own: heartbeats of cluster/beats.py, renewals of cluster/memberships.py.
"""

import math
from dataclasses import dataclass

from realtime.cluster.beats import UNHURRIED
from realtime.cluster.layers import GROUP_EXPIRY
from realtime.conf import DEFAULTS
from tests.bench.cluster.catalogue import CORE, STOCK
from tests.bench.cluster.costs import Costs
from tests.bench.cluster.results import MICROSECONDS, Footprint

#: So busy may a Redis host or a node's core be, for waiting times to stay short.
BUSY = 0.6
#: cluster/memberships.py renews when so much of the expiry is over. The pubsub layer has none.
RENEWAL = GROUP_EXPIRY / 3


def beat_interval(nodes: float) -> float:
    """Seconds between two beats of a node."""
    seconds: float = DEFAULTS["HEARTBEAT_INTERVAL"]
    return seconds * max(1.0, nodes / UNHURRIED)


def scattered(nodes: float, members: float) -> float:
    """On how many nodes a room is whose members are anywhere."""
    return float(nodes * (1 - (1 - 1 / nodes) ** members))


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """`rate` are the emits a second, all nodes together; each socket is in one room."""

    nodes: int
    sockets: int
    members: int
    rate: float

    @property
    def spread(self) -> float:
        return scattered(self.nodes, self.members)

    @property
    def memberships(self) -> float:
        """Rooms that nodes host, all nodes together."""
        return self.sockets / self.members * self.spread


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Shares of a core: of each node's, and of Redis in all, by what it is for."""

    heard: float
    node: float
    redis_emits: float
    redis_beats: float
    redis_renewals: float
    node_bytes: float
    redis_bytes: float
    #: Seconds that a node and Redis in all are busy with joining everything again.
    rejoin_node: float
    rejoin_redis: float

    @property
    def redis(self) -> float:
        return self.redis_emits + self.redis_beats + self.redis_renewals

    @property
    def hosts(self) -> int:
        return math.ceil(self.redis / BUSY)


def demand(fleet: Fleet, peer: str, costs: Costs, footprint: Footprint) -> Demand:
    stock = peer == STOCK.name
    nodes = fleet.nodes
    spread = float(nodes) if stock else fleet.spread
    memberships = 0.0 if stock else fleet.memberships
    beats = 0.0 if stock else nodes / beat_interval(nodes)
    renewals = memberships / RENEWAL if peer == CORE.name else 0.0
    working = (
        fleet.rate * (costs.sender.at(spread) + costs.nodes(spread, fleet.members)) / nodes
        + beats * (costs.sender.at(nodes) / nodes + costs.hear)
        + renewals / nodes * footprint.join_node * MICROSECONDS
    )
    return Demand(
        heard=fleet.rate * spread / nodes,
        node=working / MICROSECONDS,
        redis_emits=fleet.rate * costs.redis.at(spread) / MICROSECONDS,
        redis_beats=beats * costs.redis.at(nodes) / MICROSECONDS,
        redis_renewals=renewals * footprint.join_redis,
        node_bytes=fleet.sockets / nodes * footprint.socket_bytes,
        redis_bytes=memberships * footprint.membership_bytes,
        rejoin_node=memberships / nodes * footprint.join_node,
        rejoin_redis=memberships * footprint.join_redis,
    )
