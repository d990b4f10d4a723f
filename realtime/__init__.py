"""Real-time for Django: Socket.IO clients, Channels consumers, and `emit` from anywhere.

Names are imported when they are first used, because most of them need Django's settings.
"""

from typing import TYPE_CHECKING, Any

from django.core import checks as _checks

from .installed import check_installed as _check_installed
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .changes.verbs import (
        aannounce_created,
        aannounce_updated,
        announce_changes,
        announce_created,
        announce_updated,
    )
    from .consumers.consumer import SocketIOConsumer
    from .emitters import aemit, emit
    from .events import event
    from .exceptions import ConnectionRefused, EventError, RealtimeError
    from .operations.calls import acall_sockets, call_sockets
    from .operations.nodes import afetch_nodes, fetch_nodes
    from .operations.rooms import afetch_rooms, aroom_sizes, fetch_rooms, room_sizes
    from .operations.servers import acall_servers, call_servers, server_event
    from .operations.sockets import acount_sockets, afetch_sockets, count_sockets, fetch_sockets
    from .operations.steering import (
        adisconnect_sockets,
        ajoin_sockets,
        aleave_sockets,
        disconnect_sockets,
        join_sockets,
        leave_sockets,
    )
    from .presences.queries import ais_online, apresence, is_online, presence
    from .routing import namespace
    from .rules.declarations import room
    from .rules.verbs import arecheck, recheck

# Whoever imports realtime uses it: an app that is missing could not register this itself.
_checks.register(_check_installed, _checks.Tags.compatibility)

__all__ = [
    "ConnectionRefused",
    "EventError",
    "RealtimeError",
    "SocketIOConsumer",
    "aannounce_created",
    "aannounce_updated",
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
    "announce_changes",
    "announce_created",
    "announce_updated",
    "apresence",
    "arecheck",
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
    "recheck",
    "room",
    "room_sizes",
    "server_event",
]

_MODULES = {
    "ConnectionRefused": "exceptions",
    "EventError": "exceptions",
    "RealtimeError": "exceptions",
    "SocketIOConsumer": "consumers",
    "aannounce_created": "changes.verbs",
    "aannounce_updated": "changes.verbs",
    "acall_servers": "operations.servers",
    "acall_sockets": "operations.calls",
    "acount_sockets": "operations.sockets",
    "afetch_nodes": "operations.nodes",
    "adisconnect_sockets": "operations.steering",
    "aemit": "emitters",
    "afetch_rooms": "operations.rooms",
    "afetch_sockets": "operations.sockets",
    "ais_online": "presences.queries",
    "ajoin_sockets": "operations.steering",
    "aleave_sockets": "operations.steering",
    "announce_changes": "changes.verbs",
    "announce_created": "changes.verbs",
    "announce_updated": "changes.verbs",
    "apresence": "presences.queries",
    "arecheck": "rules.verbs",
    "aroom_sizes": "operations.rooms",
    "call_servers": "operations.servers",
    "call_sockets": "operations.calls",
    "count_sockets": "operations.sockets",
    "disconnect_sockets": "operations.steering",
    "emit": "emitters",
    "fetch_nodes": "operations.nodes",
    "event": "events",
    "fetch_rooms": "operations.rooms",
    "fetch_sockets": "operations.sockets",
    "is_online": "presences.queries",
    "join_sockets": "operations.steering",
    "leave_sockets": "operations.steering",
    "namespace": "routing",
    "presence": "presences.queries",
    "recheck": "rules.verbs",
    "room": "rules.declarations",
    "room_sizes": "operations.rooms",
    "server_event": "operations.servers",
}


if not TYPE_CHECKING:  # for type checkers it would be a promise that every name is there

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name not in _MODULES:
            raise AttributeError(f"module 'realtime' has no attribute {name!r}")
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
