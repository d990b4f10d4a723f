"""Kinds of rooms: named by the application, of users, and of other model instances."""

from typing import get_args

from django.conf import settings

from ..node.rooms import RESERVED
from .reports import RoomKind

ROOM_KINDS: tuple[RoomKind, ...] = get_args(RoomKind)


def kind_of(room: str) -> RoomKind:
    """Whose room it is, by its name."""
    if not room.startswith(RESERVED):
        return "room"
    model = room[1:].partition(":")[0]
    return "user" if model == settings.AUTH_USER_MODEL.lower() else "instance"
