"""Who may no longer be here: how it is noticed, and what follows for their sockets."""

from ..node.node import ServingNode
from .guard import Guard
from .notices import Notices


def install(node: ServingNode) -> None:
    """Let a node hear, and see for itself, what concerns the rights of its sockets."""
    Notices(node)
    node.followers.append(Guard(node))
