"""Rooms that clients join by themselves, as rules allow; and who is asked again, and when."""

from ..server.server import Server
from .rechecks import Rechecks


def install(core: Server) -> None:
    """Let a node ask its sockets' rules again when what they read has changed."""
    core.node.followers.append(Rechecks(core.namespaces))
