"""Handlers and namespaces registered the python-socketio way, as one `socketio` ASGI application.

    server.on("message", handler, namespace="/chat");
    server.register_namespace(ChatNamespace("/chat"))

Unlike in python-socketio, events of one client are handled in order, a plain `def` handler runs in
a worker thread, where it may use the ORM, and what a connect handler emits follows the acceptance.
"""

import functools
import inspect
import logging
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import socketio
from django.dispatch import Signal

from .. import signals
from ..aio.calls import run
from ..exceptions import CallTimeout, ConnectionRefused
from ..middleware import acting, nobody_acts
from ..node.threads import lanes
from ..server.acks import Ack, socket_behind
from ..server.handling import Handling, UnknownEvent, announce, check_arguments, near
from .client_manager import connecting

if TYPE_CHECKING:
    from .server import SocketIOServer


class CallbackApplication:
    """Answers for the namespaces that have handlers in the server's own registry."""

    def __init__(self, server: "SocketIOServer") -> None:
        self._server = server

    def serves(self, namespace: str) -> bool:
        handlers, namespaces = self._server.handlers, self._server.namespace_handlers
        if not handlers and not namespaces:
            return False
        return any(name in found for found in (handlers, namespaces) for name in (namespace, "*"))

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        recover = scope.get("recover")
        recovered = None if recover is None else await recover()
        socket = _Socket(
            self._server, scope["sid"] if recovered is None else recovered.sid, scope["path"]
        )
        try:
            accepted = await socket.connect(scope["auth"])
        except (socketio.exceptions.ConnectionRefusedError, ConnectionRefused) as refused:
            await send({"type": "socketio.refuse", **_refusal(refused)})
            return
        if accepted is False:
            await send({"type": "socketio.refuse", "message": "Connection rejected by server"})
            return
        await send({"type": "socketio.accept"})
        await socket.announce(signals.socket_connected, scope=scope)
        while True:
            message = await receive()
            if message["type"] == "socketio.disconnect":
                nobody_acts()
                await socket.disconnect(message["reason"], scope)
                return
            if message["type"] == "socketio.event":
                ack = Ack(send, message["ack_id"], socket_behind(send))
                await socket.handle(message["event"], message["args"], ack)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What the registry has for an event, and with which arguments it is called."""

    #: The event's name where the code has it too, and not only the client.
    event: str
    function: Callable[..., Any]
    values: tuple[Any, ...]
    #: Whether it is a namespace's own `trigger_event`, which finds its handlers by itself.
    finds: bool = False
    takes_ack: bool = False


class _Socket:
    """One socket, whose handlers are in the server's registry."""

    #: Who it is, python-socketio's handlers keep in their own sessions.
    user = None

    def __init__(self, server: "SocketIOServer", sid: str, namespace: str) -> None:
        self._server = server
        self.sid = sid
        self.namespace = namespace

    async def connect(self, auth: Any) -> Any:
        environ = self._server.get_environ(self.sid, self.namespace)
        with connecting(self._server.core.namespaces.sockets[self.sid]):
            return await self.trigger("connect", environ, auth)

    async def disconnect(self, reason: str, scope: dict[str, Any]) -> None:
        try:
            await self.trigger("disconnect", reason)
        finally:
            await self.announce(signals.socket_disconnected, scope=scope, reason=reason)

    @property
    def sender(self) -> type:
        """What signals name as their sender, as they name the class of a consumer."""
        instances, functions = self._server.namespace_handlers, self._server.handlers
        instance = instances.get(self.namespace)
        if instance is None and self.namespace not in functions:
            instance = instances.get("*")
        return type(self._server if instance is None else instance)

    async def announce(self, signal: Signal, **facts: Any) -> None:
        await announce(self, signal, sender=self.sender, **facts)

    async def trigger(self, event: str, *args: Any) -> Any:
        """Call the handler of "connect" or "disconnect", if there is one."""
        found = self._find(event, args)
        if found is None:
            return None
        lane = lanes().acquire()
        try:
            if found.finds:
                return await found.function(*found.values)
            return await run(found.function, *_fitting(found.function, found.values))
        finally:
            lanes().release(lane)

    async def handle(self, event: Any, args: list[Any], ack: Ack) -> None:
        # python-socketio looks handlers up by names of texts, where "*" is not the client's.
        is_name = isinstance(event, str) and event != "*"
        found = self._find(event, tuple(args)) if is_name else None
        if acting.get() != self.sid:
            acting.set(self.sid)
        hint = near(event, self._declared()) if found is None else ""
        await _handling.run(self, event, found, args, ack, _Socket._call, hint=hint)

    async def _call(self, event: str, found: _Found, args: list[Any], ack: Ack) -> Any:
        try:
            if found.finds:
                result = await found.function(*found.values)
            else:
                check_arguments(event, _signature(found.function), found.values)
                result = await run(found.function, *found.values)
        except socketio.exceptions.TimeoutError:
            raise CallTimeout("no answer from the client in time") from None
        if result is self._server.not_handled:
            raise UnknownEvent(event, near(event, self._declared()))
        return result

    def _declared(self) -> list[str]:
        """The events of the namespace that have handlers."""
        instance = self._server.namespace_handlers.get(self.namespace)
        methods = [name[3:] for name in dir(instance) if name.startswith("on_")]
        return [*self._server.handlers.get(self.namespace, {}), *methods]

    def _find(self, event: str, args: tuple[Any, ...]) -> _Found | None:
        # The look-ups are python-socketio's, with its catch-all rules; see test_guards.py.
        args = (self.sid, *args)
        server, namespace = self._server, self.namespace
        function, values = server._get_event_handler(event, namespace, args)
        if function is not None:
            declared = event if event in server.handlers.get(namespace, {}) else "*"
            return _Found(event=declared, function=function, values=values)
        instance, values = server._get_namespace_handler(namespace, args)
        if instance is None:
            return None
        is_its_own = instance is server.namespace_handlers.get(namespace)
        declared = event if is_its_own and hasattr(instance, f"on_{event}") else "*"
        if type(instance).trigger_event is not socketio.AsyncNamespace.trigger_event:
            trigger = functools.partial(instance.trigger_event, event)
            return _Found(event=declared, function=trigger, values=values, finds=True)
        function = getattr(instance, f"on_{event}", None)
        if function is None:
            return None
        return _Found(event=declared, function=function, values=values)


_handling = Handling(
    logging.getLogger("realtime.server"),
    kind="python-socketio",
    sender=operator.attrgetter("sender"),
)


def _refusal(refused: Exception) -> dict[str, Any]:
    if isinstance(refused, ConnectionRefused):
        return {"message": refused.message, "data": refused.data}
    error = getattr(refused, "error_args", {})
    return {"message": error.get("message", "Connection refused"), "data": error.get("data")}


_signature = functools.lru_cache(maxsize=1_000)(inspect.signature)


def _fitting(handler: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    # connect handlers may leave out `auth`, disconnect handlers `reason`: both come last.
    parameters = _signature(handler).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return args
    return args[: len(parameters)]
