"""Handlers and namespaces registered the python-socketio way, as one `socketio` ASGI application.

    server.on("message", handler, namespace="/chat");
    server.register_namespace(ChatNamespace("/chat"))

Unlike in python-socketio, events of one client are handled in order, a plain `def` handler runs in
a worker thread, where it may use the ORM, and what a connect handler emits follows the acceptance.
"""

import asyncio
import functools
import inspect
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import socketio
from asgiref.sync import iscoroutinefunction, sync_to_async

from ..aio.tasks import is_being_cancelled
from ..events import check_arguments, shortened
from ..exceptions import ConnectionRefused, EventError
from ..logs import facts
from ..metrics import instruments
from ..metrics.counters import counts
from ..metrics.timings import FAILED, OK, REFUSED
from ..node.threads import lanes
from .client_manager import connecting

if TYPE_CHECKING:
    from .server import SocketIOServer


logger = logging.getLogger("realtime.server")

_INTERNAL = EventError("Internal error", code="internal")
_NO_ANSWER = EventError("no answer from the client in time", code="no_answer")


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
            with connecting(self._server.core.namespaces.sockets[sid]):
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
                    await self._ack(send, message, args, namespace, sid)

    async def _ack(
        self, send: Any, message: dict[str, Any], args: list[Any], namespace: str, sid: str
    ) -> None:
        ack = {"type": "socketio.ack", "ack_id": message["ack_id"], "args": args}
        try:
            await send(ack)
        except (TypeError, ValueError):
            event = message["event"]
            logger.exception(
                "what the handler of event %s returned can't be sent",
                shortened(event),
                extra=facts(sid=sid, namespace=namespace, event=event),
            )
            await send({**ack, "args": [_INTERNAL.as_dict()]})

    async def _handle(self, event: Any, namespace: str, sid: str, args: list[Any]) -> list[Any]:
        started, outcome, result = time.perf_counter(), OK, None
        try:
            # python-socketio looks handlers up by names of texts, where "*" is not the client's.
            if not isinstance(event, str) or event == "*":
                result = self._server.not_handled
            else:
                result = await self._trigger(event, namespace, sid, *args)
        except (EventError, socketio.exceptions.TimeoutError) as error:
            outcome = REFUSED
            failure = error if isinstance(error, EventError) else _NO_ANSWER
            about = facts(sid=sid, namespace=namespace, event=event)
            logger.warning("event %s of %s failed: %s", shortened(event), sid, failure, extra=about)
            return [failure.as_dict()]
        except (Exception, asyncio.CancelledError):
            # A handler's bug costs its client an error, never the connection.
            outcome = FAILED
            if is_being_cancelled():
                raise
            about = facts(sid=sid, namespace=namespace, event=event)
            logger.exception(
                "the handler of event %s raised, for %s", shortened(event), sid, extra=about
            )
            return [_INTERNAL.as_dict()]
        finally:
            if instruments.timings is not None and result is not self._server.not_handled:
                seconds = time.perf_counter() - started
                declared = self._declared(event, namespace)
                instruments.timings.handled("python-socketio", declared, seconds, outcome)
        if result is self._server.not_handled:
            counts["events.unknown"] += 1
            return [EventError(f"unknown event {shortened(event)}", code="unknown_event").as_dict()]
        return list(result) if isinstance(result, tuple) else [result]

    def _declared(self, event: str, namespace: str) -> str:
        """The event's name where the code has it too, and not only the client."""
        instance = self._server.namespace_handlers.get(namespace)
        if event in self._server.handlers.get(namespace, {}) or hasattr(instance, f"on_{event}"):
            return event
        return "*"

    async def _trigger(self, event: str, namespace: str, *args: Any) -> Any:
        lane = lanes().acquire()
        try:
            # The look-ups are python-socketio's, with its catch-all rules; see test_guards.py.
            function, values = self._server._get_event_handler(event, namespace, args)
            if function is None:
                instance, values = self._server._get_namespace_handler(namespace, args)
                if instance is None:
                    return self._server.not_handled
                if type(instance).trigger_event is not socketio.AsyncNamespace.trigger_event:
                    return await instance.trigger_event(event, *values)
                function = getattr(instance, f"on_{event}", None)
            if function is None:
                return self._server.not_handled
            return await _call(event, function, values)
        finally:
            lanes().release(lane)


async def _call(event: str, function: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    if event in ("connect", "disconnect"):
        values = _fitting(function, values)
    else:
        check_arguments(event, _signature(function), values)
    if iscoroutinefunction(function):
        return await function(*values)
    return await sync_to_async(function)(*values)


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
