"""The results of operations: plain frozen data, to be imported by whoever names their types.

`missing` are the ids of nodes, processes with a server, that did not answer in time: what they hold
is not in the result.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from ..node.users import UserInfo

__all__ = [
    "Answers",
    "Count",
    "NodeInfo",
    "NodesReport",
    "Outcome",
    "RoomInfo",
    "RoomKind",
    "RoomPage",
    "RoomReport",
    "ServerAnswers",
    "SocketInfo",
    "SocketPage",
    "UserInfo",
    "UserOnline",
    "UserPage",
]

RoomKind = Literal["room", "user", "instance"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketInfo:
    """One client in one namespace, as it was when its node answered.

    `rooms` are sorted, the reserved ones ("~auth.user:7") too. `user` is None for an anonymous
    client. `since` is an aware time in UTC. `data` is the consumer's `self.data`; what JSON can't
    hold is in it as text. The outbox is what the connection still has to write to the client.
    `siblings` are the sids of the same connection in other namespaces. `authentication` says how
    the user is known, "session" or "JSON Web Token" for instance, and `expires` until when, None
    for no fixed time.
    """

    sid: str
    namespace: str
    rooms: tuple[str, ...]
    user: UserInfo | None
    transport: str
    address: str | None
    since: datetime
    data: dict[str, Any]
    node: str
    outbox_messages: int
    outbox_bytes: int
    siblings: tuple[str, ...] = ()
    authentication: str = ""
    expires: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketPage:
    """A slice of the sockets that match; `total` counts them all."""

    sockets: tuple[SocketInfo, ...]
    total: int
    offset: int
    limit: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomInfo:
    """A room with its sockets in all processes.

    `kind` is "room" for a name of the application's choice, "user" for a user's room and "instance"
    for that of another model instance. `users` are distinct and signed in. `events` were emitted to
    the room in the last minute, about.
    """

    namespace: str
    name: str
    kind: RoomKind
    sockets: int
    users: int
    events: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomPage:
    """A slice of the rooms that match; `total` counts them all."""

    rooms: tuple[RoomInfo, ...]
    total: int
    offset: int
    limit: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomReport:
    """A room, or None if nobody is in it."""

    room: RoomInfo | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class UserOnline:
    """A user with sockets in any process; `since` is when the oldest of them connected."""

    model: str
    pk: str
    name: str
    sockets: int
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class UserPage:
    """A slice of the users that match; `total` counts them all."""

    users: tuple[UserOnline, ...]
    total: int
    missing: tuple[str, ...] = ()


class Count(int):
    """A number of sockets. With nodes in `missing` it is the least that there are."""

    missing: tuple[str, ...]

    def __new__(cls, number: int, missing: tuple[str, ...] = ()) -> Self:
        count = super().__new__(cls, number)
        count.missing = missing
        return count


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a change came to.

    `sockets` were changed: they joined, left or were disconnected; those that were so already do
    not count. `refused` were not, for they are in as many rooms as `REALTIME["MAX_ROOMS"]` allows.
    """

    sockets: int
    refused: int = 0
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What clients answered to a call, by sid.

    An answer is one value, or a tuple of several, or None for an empty one. `silent` are the sids
    that did not answer in time, or left first.
    """

    answers: dict[str, Any]
    silent: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerAnswers:
    """What servers answered to a server event, by node id.

    `failures` say in words why a node has no answer: its function raised, or it knows no such
    event.
    """

    answers: dict[str, Any]
    failures: dict[str, str]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeInfo:
    """One process with a server, as it was when it answered.

    `healthy` means that it hears itself through the channel layer, `draining` that it is to get
    no new clients. `peers` are the nodes that it knows. `stats` are the numbers of
    `metrics.snapshot()` there; docs/metrics.md says what each is.
    """

    id: str
    host: str
    pid: int
    started: datetime
    versions: dict[str, str]
    protocol: int
    healthy: bool
    draining: bool
    peers: tuple[str, ...]
    stats: dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class NodesReport:
    """The nodes that answered, by id; `missing` did not in time.

    `failures` say why a node has no answer: it may run another version.
    """

    nodes: tuple[NodeInfo, ...]
    failures: dict[str, str]
    missing: tuple[str, ...]
