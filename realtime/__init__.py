"""Real-time for Django: Socket.IO clients, Channels consumers, and `emit` from anywhere.

The names are imported when they are first used: most of them need Django's settings.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .consumers import SocketIOConsumer
    from .emitters import aemit, emit
    from .events import event
    from .exceptions import ConnectionRefused, EventError, RealtimeError
    from .routing import namespace

__version__ = "0.1.0"

__all__ = [
    "ConnectionRefused",
    "EventError",
    "RealtimeError",
    "SocketIOConsumer",
    "aemit",
    "emit",
    "event",
    "namespace",
]

_HOMES = {
    "ConnectionRefused": "exceptions",
    "EventError": "exceptions",
    "RealtimeError": "exceptions",
    "SocketIOConsumer": "consumers",
    "aemit": "emitters",
    "emit": "emitters",
    "event": "events",
    "namespace": "routing",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'realtime' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
