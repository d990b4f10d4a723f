"""Which sockets a question is about: as its asker says it, and as a node understands it."""

from typing import Any

from ..node import rooms
from ..node.members import Members
from ..node.sockets import Socket
from .arguments import checked_namespace
from .asking import Body


def selection(to: Any, namespace: str | None) -> Body:
    """The part of a question that says which sockets it is about."""
    return {"to": rooms.targets(to), "namespace": checked_namespace(namespace)}


def selected(members: Members, body: Body) -> list[Socket]:
    """The sockets here that a question is about."""
    to = body.get("to")
    return members.matching(body.get("namespace"), None if to is None else tuple(to))
