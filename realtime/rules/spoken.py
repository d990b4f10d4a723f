"""What clients say and hear of rooms that have rules: names of events, and types for the schema."""

from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict

from .rule import RoomRule

JOIN = "room:join"
LEAVE = "room:leave"
LEFT = "room:left"


class Person(TypedDict):
    """A user who is present."""

    id: str
    name: str
    since: str


class Joined(TypedDict):
    """A room that the client is in now; with presence, who is present in it."""

    room: str
    present: NotRequired[list[Person]]


class Left(TypedDict):
    """A room that the client is not in now."""

    room: str


class Reason(TypedDict):
    """Why a client is no longer in a room."""

    code: str
    message: str


class PresenceChange(TypedDict):
    """Who has joined a room, and who has left it."""

    joined: list[Person]
    left: list[Person]


def emits(rules: Iterable[RoomRule]) -> dict[str, Any]:
    """What clients of a consumer with these rules hear, as its own `emits` would say it."""
    heard: dict[str, Any] = {}
    for rule in rules:
        heard[LEFT] = (str, Reason)
        if rule.options.presence:
            heard["presence:state"] = (str, list[Person])
            heard["presence:diff"] = (str, PresenceChange)
    return heard
