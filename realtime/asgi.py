"""The ASGI application of a whole site: Socket.IO at its path, Django everywhere else."""

import logging
from collections.abc import Callable
from typing import Any

import django
from django.apps import apps
from django.conf import settings as django_settings
from django.core.asgi import get_asgi_application as get_django_application
from django.core.exceptions import ImproperlyConfigured

from . import health, operations, presences, recovery, revocation, routing, rules
from .auth import AuthStack
from .compat.server import SocketIOServer
from .conf import settings
from .engine import refusals
from .engine.paths import below
from .engine.transports import daphne
from .installed import MISSING, REMEDY
from .server import client_script
from .server.applications import Application
from .server.request_limit import LimitWatch
from .server.stop_signals import StopSignals

__all__ = ["RealtimeApplication", "get_asgi_application", "get_server"]


logger = logging.getLogger("realtime.server")


class RealtimeApplication:
    """The ASGI application that `get_asgi_application()` returns."""

    def __init__(
        self, server: SocketIOServer, *, http: Application, websocket: Application | None
    ) -> None:
        self.server = server
        self._http = http
        self._websocket = websocket
        self._path: str = settings.PATH.rstrip("/")
        self._own_paths = (f"{self._path}/", self._path)
        # Requests that Django, or your own application, is about to answer.
        self._unanswered = 0
        self._signals = StopSignals(self._stop, server.core.drain.hurry)
        self._limit = LimitWatch(self._stop)
        server.eio.limit_bodies(self._serves)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(receive, send)
            return
        self._start()
        path = _path_info(scope["path"], scope.get("root_path", ""))
        if path in self._own_paths:
            await self.server.eio(scope, receive, send)
        elif kind == "websocket":
            await self._other_websocket(scope, receive, send)
        elif path.startswith(f"{self._path}/"):
            await self._own_page(path.removeprefix(f"{self._path}/"), scope, send)
        else:
            await self._other_http(scope, receive, send)

    def _serves(self, path: str, root: str) -> bool:
        """Whether the Socket.IO server answers for a path."""
        return _path_info(path, root) in self._own_paths

    async def _own_page(self, name: str, scope: dict[str, Any], send: Any) -> None:
        if name.startswith(health.PREFIX):
            await health.serve(name.removeprefix(health.PREFIX), self.server.node, scope, send)
        else:
            await client_script.serve(name, scope, send)

    async def _other_http(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self._unanswered += 1
        try:
            await self._http(scope, receive, send)
        finally:
            self._unanswered -= 1

    async def _other_websocket(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self._websocket is not None:
            await self._websocket(scope, receive, send)
            return
        if django_settings.DEBUG:
            address = (scope.get("client") or [None])[0]
            refusals.say(logger, "other websocket", address, self._not_socketio(scope["path"]))
        await receive()
        await send({"type": "websocket.close"})

    def _not_socketio(self, path: str) -> str:
        return (
            f"a websocket at {refusals.shown(path)}: clients of Socket.IO connect to"
            f" {self._own_paths[0]!r}, with io() in JavaScript. For other websockets, use"
            " get_asgi_application(websocket=...)"
        )

    def _start(self) -> None:
        if self.server.node.loop is None:
            self.server.start()
            # Again: what imported this application may have imported Daphne since.
            self.server.eio.limit_bodies(self._serves)
            # In this order: the limit's server is found by the handler of its signals.
            self._limit.install()
            self._signals.install()

    async def _stop(self) -> None:
        """What has to be done before the web server itself ends."""
        await self.server.core.shutdown(delay=settings.DRAIN_DELAY)
        if daphne.stop_listening():
            # Daphne cancels what it is about to answer; others wait for that themselves.
            await self.server.core.drain.until(lambda: not self._unanswered)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        # Daphne has no lifespan; there the first request starts the server.
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.server.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _path_info(path: str, root: str) -> str:
    """The path below the one that the site is at, as Django finds it for its pages.

    A proxy may have taken the site's own path away, or not.
    """
    return below(path, django_settings.FORCE_SCRIPT_NAME or root or "")


def get_asgi_application(
    *,
    http: Application | None = None,
    websocket: Application | None = None,
    socketio: Application | None = None,
) -> RealtimeApplication:
    """Return the ASGI application of the site: Socket.IO at `REALTIME["PATH"]`, Django elsewhere.

    Use it in a project's asgi.py: `application = get_asgi_application()`. It sets Django up, as
    Django's own function of this name does.

    - `http` and `websocket` handle requests and websockets outside of `REALTIME["PATH"]`, by
      default Django's views, and nothing.
    - `socketio` handles the `socketio` protocol type, by default the consumers registered with
      `@namespace`, wrapped in AuthStack.
    """
    django.setup(set_prefix=False)
    if not apps.is_installed("realtime"):
        raise ImproperlyConfigured(f"{MISSING} {REMEDY}")
    if socketio is None:
        server = make_server(AuthStack(routing.NamespaceRouter()), routing.serves)
        server.routes = routing.routes_of_project
    else:
        server = make_server(socketio)
    _created.append(server)
    return RealtimeApplication(server, http=http or get_django_application(), websocket=websocket)


def make_server(
    application: Application | None = None, serves: Callable[[str], bool] | None = None
) -> SocketIOServer:
    """A server with all that realtime is capable of; its arguments are SocketIOServer's."""
    server = SocketIOServer(application, serves)
    operations.install(server.core)
    presences.install(server.node)
    revocation.install(server.node)
    rules.install(server.core)
    if apps.is_installed("realtime.durable"):
        from .durable import upkeep  # it has a model

        upkeep.install(server.node)
    recovery.install(server.core)
    return server


_created: list[SocketIOServer] = []


def get_server() -> SocketIOServer:
    """Return the Socket.IO server of this process, which has the API of python-socketio.

    Raises RuntimeError if `get_asgi_application()` was not called before.
    """
    if not _created:
        raise RuntimeError(
            "there is no Socket.IO server in this process: get_asgi_application(), in the project's"
            " asgi.py, makes it"
        )
    return _created[-1]
