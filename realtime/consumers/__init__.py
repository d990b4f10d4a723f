"""`SocketIOConsumer`: one instance handles one client in one namespace."""

from .consumer import SocketIOConsumer
from .verbs import Ack

__all__ = ["Ack", "SocketIOConsumer"]
