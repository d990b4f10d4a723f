"""Nothing lost: clients come back, to any process, to their rooms, data and missed events."""

from ..node import publisher
from ..server.server import Server
from .choice import writer_for
from .recovery import Recovery


def connect() -> None:
    """Let processes without sockets log what they emit."""
    if writer_for not in publisher.keeping:
        publisher.keeping.append(writer_for)


def install(server: Server) -> None:
    """Let a server's clients come back, in the namespaces whose options say so."""
    recovery = Recovery(server.node, server.namespaces)
    server.node.keeper = recovery
    server.node.followers.append(recovery.upkeep)
