"""`SocketIOServer`: the server with python-socketio's public API."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import socketio

from ..aio.forgotten import noticed
from ..conf import settings
from ..engine.server import EngineServer
from ..node.node import ServingNode
from ..server.applications import Application
from ..server.server import Server
from .client_manager import ClientManager
from .environ import environ_from_scope
from .handlers import CallbackApplication

logger = logging.getLogger("realtime.server")


class SocketIOServer(socketio.AsyncServer):
    """python-socketio's server with another engine, and ASGI applications behind it.

    `application` answers the `socketio` protocol type (see server/applications.py), and
    `serves(namespace)` says which namespaces it knows; handlers and namespaces registered the
    python-socketio way come first. Other options are python-socketio's and python-engineio's; their
    defaults are the `REALTIME` setting.
    """

    def __init__(
        self,
        application: Application | None = None,
        serves: Callable[[str], bool] | None = None,
        **options: Any,
    ) -> None:
        self._application = application
        self._serves = serves or (lambda namespace: application is not None)
        self._callbacks = CallbackApplication(self)
        super().__init__(
            client_manager=ClientManager(), logger=logger, **{**_engine_options(), **options}
        )
        #: What serves; the rest of this class is python-socketio's way to it.
        self.core = Server(self.eio, self._application_of)
        self.core.node.is_named = self._has_handlers_for
        #: The routes of the namespaces that `application` serves, for messages.
        self.routes: Callable[[], Sequence[str]] = list
        self.core.unserved.served = lambda: [
            *self.routes(),
            *self.handlers,
            *self.namespace_handlers,
        ]

    def _engineio_server_class(self) -> type[EngineServer]:
        # python-socketio's own hook for another engine; guarded by tests/test_guards.py.
        return EngineServer

    def _application_of(self, namespace: str) -> Application | None:
        if self._callbacks.serves(namespace):
            return self._callbacks
        return self._application if self._serves(namespace) else None

    def _has_handlers_for(self, namespace: str) -> bool:
        return namespace in self.handlers or namespace in self.namespace_handlers

    @property
    def node(self) -> ServingNode:
        """This process's place in the site."""
        return self.core.node

    def start(self) -> None:
        """Begin to serve in the running event loop; the first request does it."""
        self.core.start()

    async def shutdown(self) -> None:
        """Close every connection, gradually and with its handlers finished, and stop for good."""
        await self.core.shutdown()

    # A call of one of them that nobody awaits is said in the log.
    emit = noticed(socketio.AsyncServer.emit)
    send = noticed(socketio.AsyncServer.send)
    call = noticed(socketio.AsyncServer.call)
    enter_room = noticed(socketio.AsyncServer.enter_room)
    leave_room = noticed(socketio.AsyncServer.leave_room)
    close_room = noticed(socketio.AsyncServer.close_room)

    # python-socketio's public methods that would reach into what is replaced

    @noticed
    async def disconnect(
        self, sid: str, namespace: str | None = None, ignore_queue: bool = False
    ) -> None:
        """Disconnect a client from a namespace, in whichever process it is."""
        socket = self.core.namespaces.sockets.get(sid)
        if socket is None:
            await self.manager.disconnect_elsewhere(sid, namespace or "/")
        elif socket.namespace == (namespace or "/"):
            self.core.namespaces.close(socket)

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The request that opened the connection, as a WSGI environment."""
        socket = self.core.namespaces.sockets.get(sid)
        if socket is None:
            return None
        connection = socket.connection
        if connection.environ is None:
            connection.environ = environ_from_scope(connection.scope)
        return connection.environ

    def instrument(self, *args: Any, **kwargs: Any) -> Any:
        """Not available: it patches sockets that this server does not have."""
        raise NotImplementedError(
            "python-socketio's instrument() does not work with this server; serve"
            " realtime.admin.ui.consumer.AdminUIConsumer instead"
        )


def _engine_options() -> dict[str, Any]:
    return {
        "async_mode": "asgi",
        "engineio_logger": logging.getLogger("realtime.engine"),
        "transports": list(settings.TRANSPORTS),
        "ping_interval": settings.PING_INTERVAL,
        "ping_timeout": settings.PING_TIMEOUT,
        "max_http_buffer_size": settings.MAX_PAYLOAD,
        "upgrade_timeout": settings.UPGRADE_TIMEOUT,
        "outbox_messages": settings.OUTBOX_MESSAGES,
        "outbox_bytes": settings.OUTBOX_BYTES,
        "inbox_bytes": settings.INBOX_BYTES,
        "packet_rate": settings.PACKET_RATE,
        "websocket_compression": settings.WEBSOCKET_COMPRESSION,
        "connection_rate": settings.CONNECTION_RATE,
    }
