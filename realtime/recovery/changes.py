"""What operations do to sockets that are away: their sessions change as they would have."""

from ..conf import settings
from ..node.keeping import Change
from .positions import Position
from .sessions import EVERYONE, Session


def concerns(change: Change, session: Session) -> bool:
    """Whether the operation was about the session's socket."""
    if change.namespace is not None and change.namespace != session.namespace:
        return False
    to = change.to
    return to is None or any(room == session.sid or room in session.rooms for room in to)


def apply(change: Change, session: Session, position: Position) -> bool:
    """Change a session, as of a position; False if nobody may come back to it."""
    if not concerns(change, session):
        return True
    room = change.room
    if change.kind == "disconnect":
        return False
    if change.kind == "join":
        # Two of them are no rooms: EVERYONE and the sid.
        if len(session.rooms) - 2 < settings.MAX_ROOMS:
            session.rooms.setdefault(room, position)
    elif room not in (EVERYONE, session.sid):
        session.rooms.pop(room, None)
        session.presence.discard(room)
        session.ruled.pop(room, None)
    return True
