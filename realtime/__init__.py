"""Real-time for Django: Socket.IO clients, Channels consumers, and `emit` from anywhere.

The names are imported when they are first used: most of them need Django's settings.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .consumers import SocketIOConsumer
    from .emitters import aemit, emit
    from .events import event
    from .exceptions import ConnectionRefused, EventError, RealtimeError
    from .node_reports import afetch_nodes, fetch_nodes
    from .operations import (
        acall_servers,
        acall_sockets,
        acount_sockets,
        adisconnect_sockets,
        afetch_rooms,
        afetch_sockets,
        ajoin_sockets,
        aleave_sockets,
        aroom_sizes,
        call_servers,
        call_sockets,
        count_sockets,
        disconnect_sockets,
        fetch_rooms,
        fetch_sockets,
        join_sockets,
        leave_sockets,
        room_sizes,
    )
    from .presence_verbs import ais_online, apresence, is_online, presence
    from .routing import namespace
    from .server_events import server_event

__version__ = "0.1.0"

__all__ = [
    "ConnectionRefused",
    "EventError",
    "RealtimeError",
    "SocketIOConsumer",
    "acall_servers",
    "acall_sockets",
    "acount_sockets",
    "adisconnect_sockets",
    "aemit",
    "afetch_nodes",
    "afetch_rooms",
    "afetch_sockets",
    "ais_online",
    "ajoin_sockets",
    "aleave_sockets",
    "apresence",
    "aroom_sizes",
    "call_servers",
    "call_sockets",
    "count_sockets",
    "disconnect_sockets",
    "emit",
    "event",
    "fetch_nodes",
    "fetch_rooms",
    "fetch_sockets",
    "is_online",
    "join_sockets",
    "leave_sockets",
    "namespace",
    "presence",
    "room_sizes",
    "server_event",
]

_HOMES = {
    "ConnectionRefused": "exceptions",
    "EventError": "exceptions",
    "RealtimeError": "exceptions",
    "SocketIOConsumer": "consumers",
    "acall_servers": "operations",
    "acall_sockets": "operations",
    "acount_sockets": "operations",
    "afetch_nodes": "node_reports",
    "adisconnect_sockets": "operations",
    "aemit": "emitters",
    "afetch_rooms": "operations",
    "afetch_sockets": "operations",
    "ais_online": "presence_verbs",
    "ajoin_sockets": "operations",
    "aleave_sockets": "operations",
    "apresence": "presence_verbs",
    "aroom_sizes": "operations",
    "call_servers": "operations",
    "call_sockets": "operations",
    "count_sockets": "operations",
    "disconnect_sockets": "operations",
    "emit": "emitters",
    "fetch_nodes": "node_reports",
    "event": "events",
    "fetch_rooms": "operations",
    "fetch_sockets": "operations",
    "is_online": "presence_verbs",
    "join_sockets": "operations",
    "leave_sockets": "operations",
    "namespace": "routing",
    "presence": "presence_verbs",
    "room_sizes": "operations",
    "server_event": "server_events",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'realtime' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
