"""Real-time for Django: Socket.IO clients, Channels consumers, and `emit` from anywhere.

The names are imported when they are first used: most of them need Django's settings.
"""

from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:
    from .consumers.consumer import SocketIOConsumer
    from .emitters import aemit, emit
    from .events import event
    from .exceptions import ConnectionRefused, EventError, RealtimeError
    from .operations.node_reports import afetch_nodes, fetch_nodes
    from .operations.server_events import server_event
    from .operations.verbs import (
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
    from .presences.verbs import ais_online, apresence, is_online, presence
    from .routing import namespace

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
    "acall_servers": "operations.verbs",
    "acall_sockets": "operations.verbs",
    "acount_sockets": "operations.verbs",
    "afetch_nodes": "operations.node_reports",
    "adisconnect_sockets": "operations.verbs",
    "aemit": "emitters",
    "afetch_rooms": "operations.verbs",
    "afetch_sockets": "operations.verbs",
    "ais_online": "presences.verbs",
    "ajoin_sockets": "operations.verbs",
    "aleave_sockets": "operations.verbs",
    "apresence": "presences.verbs",
    "aroom_sizes": "operations.verbs",
    "call_servers": "operations.verbs",
    "call_sockets": "operations.verbs",
    "count_sockets": "operations.verbs",
    "disconnect_sockets": "operations.verbs",
    "emit": "emitters",
    "fetch_nodes": "operations.node_reports",
    "event": "events",
    "fetch_rooms": "operations.verbs",
    "fetch_sockets": "operations.verbs",
    "is_online": "presences.verbs",
    "join_sockets": "operations.verbs",
    "leave_sockets": "operations.verbs",
    "namespace": "routing",
    "presence": "presences.verbs",
    "room_sizes": "operations.verbs",
    "server_event": "operations.server_events",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'realtime' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
