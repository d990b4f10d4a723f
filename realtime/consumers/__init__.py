"""`SocketIOConsumer`: one instance handles one client in one namespace."""

from ..server.acks import Ack
from .consumer import SocketIOConsumer

__all__ = ["Ack", "SocketIOConsumer"]
