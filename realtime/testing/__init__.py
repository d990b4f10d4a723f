"""The test kit: recorded emits, clients without a network, and a live server.

Names are imported on first use, because the pytest plugin is imported in every test run.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .assertions import (
        RealtimeAssertions,
        assert_emitted,
        assert_not_emitted,
        capture_emits,
        operations,
        outbox,
        real_layer,
    )
    from .client import SocketIOClient
    from .communicator import SocketIOCommunicator
    from .live import SocketIOLiveServerTestCase

__all__ = [
    "RealtimeAssertions",
    "SocketIOClient",
    "SocketIOCommunicator",
    "SocketIOLiveServerTestCase",
    "assert_emitted",
    "assert_not_emitted",
    "capture_emits",
    "operations",
    "outbox",
    "real_layer",
]

_HOMES = {
    "SocketIOClient": "client",
    "SocketIOCommunicator": "communicator",
    "SocketIOLiveServerTestCase": "live",
}


if not TYPE_CHECKING:  # as in realtime/__init__.py

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module 'realtime.testing' has no attribute {name!r}")
        return getattr(import_module(f".{_HOMES.get(name, 'assertions')}", __name__), name)
