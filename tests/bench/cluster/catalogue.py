"""Which clusters are measured, and how large."""

from dataclasses import dataclass

from tests.bench.catalogue import Peer


def _peer(name: str, label: str, family: str, **environment: str) -> Peer:
    return Peer(name=name, label=label, family=family, web="uvicorn", environment=environment)


CORE = _peer("realtime-core", "realtime, core layer", "realtime")
PUBSUB = _peer(
    "realtime-pubsub",
    "realtime, pubsub layer",
    "realtime",
    LAYER="channels_redis.pubsub.RedisPubSubChannelLayer",
)
STOCK = _peer("socketio", "python-socketio", "socketio")
PEERS = {peer.name: peer for peer in (CORE, PUBSUB, STOCK)}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """`rate` and `emits` hold for the small rooms; the large one has its own."""

    nodes: tuple[int, ...] = (1, 2, 4, 8)
    #: The number of nodes with which several Redis hosts are tried, and how many hosts.
    sharded: int = 4
    hosts: int = 2
    rooms: int = 400
    members: int = 5
    rounds: int = 3
    rate: float = 150.0
    emits: int = 150
    large_rate: float = 6.0
    large_emits: int = 6
    #: Emits as fast as they are taken, and how many may be under way.
    flood: int = 600
    large_flood: int = 12
    window: int = 32
    #: As long as a round of emits, so that what is done in each second is taken off whole.
    idle: float = 1.1
    #: Groups that one process joins, to learn what a membership costs.
    joins: int = 2_000

    @property
    def sockets(self) -> int:
        return self.rooms * self.members

    @property
    def files(self) -> int:
        return self.sockets + 200


QUICK = Sizes(
    nodes=(2,),
    sharded=1,
    rooms=10,
    rounds=1,
    emits=10,
    large_rate=50.0,
    large_emits=2,
    flood=20,
    large_flood=4,
    idle=0.2,
    joins=20,
)
