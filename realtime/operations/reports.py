"""The results of operations: frozen dataclasses, which you can import for annotations.

`missing` has the ids of the nodes (processes with a server) that did not answer in time. Their
sockets are not part of the result.
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

    - `rooms` is sorted, and includes reserved names such as "~auth.user:7".
    - `user` is None for an anonymous client. `authentication` says how the user logged in, such as
      "session" or "JSON Web Token", and `expires` when the login ends, None if at no fixed time.
    - `since` is an aware datetime in UTC, and `transport` "polling" or "websocket".
    - `data` is the consumer's `self.data`. What JSON can't hold is shown as text.
    - `outbox_messages` and `outbox_bytes` are what the connection still has to send to the client.
    - `siblings` are the sids of the same connection in other namespaces.
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
    """A page of the sockets that match. `total` counts all of them."""

    sockets: tuple[SocketInfo, ...]
    total: int
    offset: int
    limit: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomInfo:
    """A room with its sockets in all processes.

    `kind` is "room" for a name that the application chose, "user" for the room of a user, and
    "instance" for the room of another model instance. `users` is how many different logged-in users
    are in it, and `events` about how many events were emitted to it in the last minute.
    """

    namespace: str
    name: str
    kind: RoomKind
    sockets: int
    users: int
    events: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomPage:
    """A page of the rooms that match. `total` counts all of them."""

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
    """A user with sockets in any process. `since` is when the oldest of them connected."""

    model: str
    pk: str
    name: str
    sockets: int
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class UserPage:
    """A page of the users that match. `total` counts all of them."""

    users: tuple[UserOnline, ...]
    total: int
    missing: tuple[str, ...] = ()


class Count(int):
    """A number of sockets. If there are nodes in `missing`, there may be more."""

    missing: tuple[str, ...]

    def __new__(cls, number: int, missing: tuple[str, ...] = ()) -> Self:
        count = super().__new__(cls, number)
        count.missing = missing
        return count


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The result of a change.

    `sockets` is how many sockets were changed: they joined, left or were disconnected. `refused` is
    how many could not join because they are in as many rooms as `REALTIME["MAX_ROOMS"]` allows.
    """

    sockets: int
    refused: int = 0
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """The answers of clients to a call, by sid.

    An answer is a single value, a tuple of several values, or None if it is empty. `silent` has the
    sids of clients that did not answer in time, or left before they answered.
    """

    answers: dict[str, Any]
    silent: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerAnswers:
    """The answers of nodes to a server event, by node id.

    `failures` says why a node has no answer: its function raised an error, or it does not know the
    event.
    """

    answers: dict[str, Any]
    failures: dict[str, str]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeInfo:
    """The state of a node, which is a process with a server, when it answered.

    `healthy` means that it receives its own messages through the channel layer, `draining` that it
    accepts no new clients. `peers` are the ids of the nodes that it knows. `stats` are the numbers
    of `metrics.snapshot()` in that process; see docs/metrics.md.
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
    """The nodes that answered, in the order of their ids.

    `failures` says why a node sent no answer, such as another version of realtime.
    """

    nodes: tuple[NodeInfo, ...]
    failures: dict[str, str]
    missing: tuple[str, ...]
