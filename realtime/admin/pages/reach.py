"""Who may be emitted to: the room of a user, or of a socket, is that user, or that socket."""

from typing import Any

from ...node import rooms
from ...operations.room_kinds import kind_of


def needed(room: str | None) -> str:
    """The permission ("app.codename") to emit to a room, by whose it is."""
    if room is None:
        return "realtime.emit_room"
    if rooms.is_sid(room):
        return "realtime.emit_socket"
    return "realtime.emit_onlineuser" if kind_of(room) == "user" else "realtime.emit_room"


def may_reach(user: Any, room: str) -> bool:
    return bool(user.has_perm(needed(room)))
