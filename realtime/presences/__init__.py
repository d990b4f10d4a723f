"""Who is in a room, over all processes."""

from ..node.node import ServingNode
from .tracker import Presence


def install(node: ServingNode) -> None:
    """Let a node know, tell and answer who is present among its sockets."""
    node.followers.append(Presence(node.cluster, node.wheel))
