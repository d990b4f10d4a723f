"""The peers: which servers are measured, and how each one is started."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import wire

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

_APPLICATIONS = {
    "socketio": "tests.bench.peers.stock_socketio:application",
    "channels": "tests.bench.peers.stock_channels:application",
    "realtime": "tests.bench.peers.with_realtime:application",
}


# The servers' own websocket pings would be counted as deliveries.
_OPTIONS = {
    "daphne": [
        *("--bind", "127.0.0.1", "--verbosity", "0"),
        *("--ping-interval", "3600", "--ping-timeout", "3600"),
    ],
    "uvicorn": [
        *("--host", "127.0.0.1", "--log-level", "warning", "--no-access-log"),
        *("--loop", "asyncio"),  # although uvloop is there
        *("--ws-ping-interval", "3600", "--ws-ping-timeout", "3600"),
    ],
}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """`family` is what runs (node, socketio, channels, realtime), `web` the server under it."""

    name: str
    label: str
    family: str
    web: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def dialect(self) -> wire.Dialect:
        return wire.CHANNELS if self.family == "channels" else wire.SOCKETIO

    def command(self, port: int) -> list[str]:
        if self.web == "node":
            return ["node", str(HERE / "peers" / "node.js")]
        return [
            *(sys.executable, "-m", self.web, *_OPTIONS[self.web]),
            *("--port", str(port), _APPLICATIONS[self.family]),
        ]

    def emitter(self) -> list[str]:
        """The process that emits through Redis."""
        if self.family == "node":
            return ["node", str(HERE / "peers" / "node_emitter.js")]
        return [sys.executable, "-m", "tests.bench.peers.emitter", self.family]


def _peer(family: str, web: str, label: str) -> Peer:
    return Peer(name=f"{family}-{web}", label=f"{label} on {web}", family=family, web=web)


def _variant(web: str, name: str, **environment: str) -> Peer:
    return Peer(
        name=f"realtime-{web}-{name}",
        label=f"realtime on {web}, {name}",
        family="realtime",
        web=web,
        environment=environment,
    )


DEFAULT = (
    Peer(name="node", label="Node socket.io", family="node", web="node"),
    _peer("realtime", "daphne", "realtime"),
    _peer("realtime", "uvicorn", "realtime"),
    _peer("socketio", "daphne", "python-socketio"),
    _peer("socketio", "uvicorn", "python-socketio"),
    _peer("channels", "daphne", "Channels"),
    _peer("channels", "uvicorn", "Channels"),
)
#: Measured only when asked for: what Python's garbage collector costs, its json module, and what
#: the other layer of channels_redis saves.
EXTRA = tuple(
    _variant(web, name, **environment)
    for web in ("daphne", "uvicorn")
    for name, environment in {
        "gc-off": {"GC": "off"},
        "gc-raised": {"GC": "raised"},
        "gc-untouched": {"GC": "untouched"},
        "orjson": {"JSON": "realtime.orjson"},
        "pubsub": {"LAYER": "channels_redis.pubsub.RedisPubSubChannelLayer"},
    }.items()
)
PEERS = {peer.name: peer for peer in (*DEFAULT, *EXTRA)}
