"""Handlers and namespaces registered the python-socketio way, as one `socketio` ASGI application.

    server.on("message", handler, namespace="/chat");
    server.register_namespace(ChatNamespace("/chat"))

Unlike in python-socketio, events of one client are handled in order, and a plain `def` handler runs
in a worker thread, where it may use the ORM.
"""

import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import socketio.exceptions
from asgiref.sync import iscoroutinefunction, sync_to_async

from .events import shortened
from .exceptions import ConnectionRefused, EventError
from .threads import lanes

if TYPE_CHECKING:
    from .server import SocketIOServer


logger = logging.getLogger("realtime.server")


class CallbackApplication:
    """Answers for the namespaces that have handlers in the server's own registry."""

    def __init__(self, server: "SocketIOServer") -> None:
        self._server = server

    def serves(self, namespace: str) -> bool:
        registered = (self._server.handlers, self._server.namespace_handlers)
        return any(namespace in registry or "*" in registry for registry in registered)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        namespace, sid = scope["path"], scope["sid"]
        await receive()
        try:
            environ = self._server.get_environ(sid, namespace)
            accepted = await self._trigger("connect", namespace, sid, environ, scope["auth"])
        except (socketio.exceptions.ConnectionRefusedError, ConnectionRefused) as refused:
            await send({"type": "socketio.refuse", **_refusal(refused)})
            return
        if accepted is False:
            await send({"type": "socketio.refuse", "message": "Connection rejected by server"})
            return
        await send({"type": "socketio.accept"})
        while True:
            message = await receive()
            if message["type"] == "socketio.disconnect":
                await self._trigger("disconnect", namespace, sid, message["reason"])
                return
            if message["type"] == "socketio.event":
                args = await self._handle(message["event"], namespace, sid, message["args"])
                if message["ack_id"] is not None:
                    await send({"type": "socketio.ack", "ack_id": message["ack_id"], "args": args})

    async def _handle(self, event: str, namespace: str, sid: str, args: list[Any]) -> list[Any]:
        try:
            result = await self._trigger(event, namespace, sid, *args)
        except EventError as error:
            logger.warning("event %s of %s failed: %s", shortened(event), sid, error)
            return [error.as_dict()]
        except Exception:  # a handler's bug costs its client an error, never the connection
            logger.exception("the handler of event %s raised, for %s", shortened(event), sid)
            return [EventError("Internal error", code="internal").as_dict()]
        if result is self._server.not_handled:
            return [EventError(f"unknown event {shortened(event)}", code="unknown_event").as_dict()]
        return list(result) if isinstance(result, tuple) else [result]

    async def _trigger(self, event: str, namespace: str, *args: Any) -> Any:
        # The look-ups are python-socketio's, with its catch-all rules; guarded by test_guards.py.
        lane = lanes().acquire()
        try:
            handler, values = self._server._get_event_handler(event, namespace, args)
            if handler is not None:
                if event in ("connect", "disconnect"):
                    values = _fitting(handler, values)
                if iscoroutinefunction(handler):
                    return await handler(*values)
                return await sync_to_async(handler)(*values)
            handler, values = self._server._get_namespace_handler(namespace, args)
            if handler is not None:
                return await handler.trigger_event(event, *values)
            return self._server.not_handled
        finally:
            lanes().release(lane)


def _refusal(refused: Exception) -> dict[str, Any]:
    if isinstance(refused, ConnectionRefused):
        return {"message": refused.message, "data": refused.data}
    error = getattr(refused, "error_args", {})
    return {"message": error.get("message", "Connection refused"), "data": error.get("data")}


def _fitting(handler: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    # connect handlers may leave out `auth`, disconnect handlers `reason`: both come last.
    parameters = inspect.signature(handler).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return args
    return args[: len(parameters)]
