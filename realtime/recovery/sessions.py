"""What is kept of a socket, so that its client can come back to it."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..node.emissions import Emission
from ..node.sockets import Socket
from .positions import Position, from_text

#: Reasons after which a client is gone for good; after all others it may come back.
FINAL = frozenset(["client namespace disconnect", "server namespace disconnect", "parse error"])
#: The namespace itself, among the rooms of a session.
EVERYONE = None
#: A session's id is a secret of this many random bytes.
_BYTES = 18
#: What may be one: it was made here, of any length.
_PID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a client wants to come back to; neither is to be believed."""

    pid: str
    #: Up to where it has everything. None if no event ever came.
    offset: Position | None
    #: Whether it sent an id or an offset that is none.
    garbled: bool = False


def read(auth: dict[str, Any] | None) -> tuple[dict[str, Any] | None, Claim | None]:
    """The application's part of a client's `auth`, and its claim.

    The two keys are the protocol's; the stock client sends them once it has got a pid.
    """
    if auth is None or ("pid" not in auth and "offset" not in auth):
        return auth, None
    rest = {key: value for key, value in auth.items() if key not in ("pid", "offset")}
    if "pid" not in auth:
        return rest or None, None
    pid, said = auth["pid"], auth.get("offset")
    if not isinstance(pid, str) or not _PID.fullmatch(pid):
        return rest or None, Claim(pid="", offset=None, garbled=True)
    offset = from_text(said)
    claim = Claim(pid=pid, offset=offset, garbled=said is not None and offset is None)
    return rest or None, claim


@dataclass(kw_only=True, slots=True, eq=False)
class Session:
    """The state of one socket, that outlives its connection."""

    pid: str
    sid: str
    namespace: str
    #: Whose it is: a model and a primary key, or "" for a client that is not logged in.
    user: str
    #: Who it is before `connect` has run, likewise: whoever claims it has to be that one.
    came_as: str
    #: Its rooms, with the position from which on their events are its own; EVERYONE and the sid
    #: are among them.
    rooms: dict[str | None, Position] = field(default_factory=dict)
    #: The rooms in which it counts as present.
    presence: set[str] = field(default_factory=set)
    #: The rooms that rules let it into, each with the rooms that it is in because of that one.
    ruled: dict[str, list[str]] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    #: Its client has everything up to here, though it may name an older offset: a log that reaches
    #: back to here is enough.
    floor: Position = 0
    #: The node that holds its socket, or held it last, and what tells its holders apart.
    node: str = ""
    holder: str = ""
    #: Since when its socket is connected, by the clock of the loop.
    connected_at: float = 0.0
    #: The last offset that its client was sent before it was a member like any other.
    sent: Position = 0
    #: The offset with which its client came back last, if it may have got missed events then
    #: without the answer to its connect, or else None.
    tried: Position | None = None
    #: The log has lost events from before this position.
    lost_before: Position = 0
    #: Whether its client came back to it.
    recovered: bool = False

    def since(self, offset: Position | None) -> dict[str | None, Position]:
        """From where on a client that has everything up to `offset` misses events, by room."""
        least = offset or 0
        return {room: max(joined, least) for room, joined in self.rooms.items()}

    def may_have_more_than(self, offset: Position | None) -> bool:
        """Whether its client may hold events back that it knows no offset of.

        The stock client gets what it missed before the answer to its connect, and passes it on,
        offsets and all, with that answer. If only the answer is lost, it comes back with the same
        offset as before, and would get these events twice.
        """
        return self.tried is not None and self.tried == (offset or 0)

    def lacks(
        self, position: Position, emission: Emission, since: Mapping[str | None, Position]
    ) -> bool:
        """Whether its client, which has all up to `since`, misses an event."""
        if emission.retain is not None:  # newcomers to a room get values as well
            return position > self.sent
        to = (EVERYONE,) if emission.to is None else emission.to
        return any(position > since.get(room, position) for room in to)


def new_pid() -> str:
    return secrets.token_urlsafe(_BYTES)


def user_of(socket: Socket) -> str:
    """Who a socket's client is, as sessions have it."""
    user = socket.user
    return "" if user is None else f"{user['model']}:{user['pk']}"
