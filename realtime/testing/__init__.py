"""The test kit: clients for consumers, in process and without a server."""

from .communicator import SocketIOCommunicator

__all__ = ["SocketIOCommunicator"]
