"""SocketIOConsumer: one instance for each client in a namespace, on the `socketio` ASGI messages."""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, ClassVar, TypeVar

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer
from django.db.models import Model
from django.dispatch import Signal

from . import rooms, signals
from .conf import settings
from .events import CATCH_ALL, Handler, handlers_of
from .exceptions import ConnectionRefused, EventError, PermissionRefused
from .mailbox import ASGIMessage, Mailbox, Receive
from .permissions import BasePermission
from .threads import lanes

logger = logging.getLogger("realtime.consumers")

T = TypeVar("T")
Send = Callable[[ASGIMessage], Coroutine[Any, Any, None]]

#: Concurrent handlers of one socket that may run at once; further events wait for one to end.
MAX_CONCURRENT = 100


def in_threads_too(
    verb: Callable[..., Coroutine[Any, Any, T]],
) -> Callable[..., Coroutine[Any, Any, T]]:
    """Let a plain `def` handler call an async verb: in a worker thread it waits for the result.

    Without this, `self.emit(...)` in a `def` handler would make a coroutine that nobody awaits, and
    the event would be lost in silence.
    """

    @functools.wraps(verb)
    def either(*args: Any, **kwargs: Any) -> Any:
        coroutine = verb(*args, **kwargs)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return async_to_sync(_await)(coroutine)
        return coroutine

    return either


async def _await(coroutine: Coroutine[Any, Any, T]) -> T:
    return await coroutine


class Ack:
    """The answer to one event, for a handler that takes a keyword-only `ack`: `await ack(...)`."""

    def __init__(self, send: Send, ack_id: int | None) -> None:
        self._send = send
        self._ack_id = ack_id

    @property
    def wanted(self) -> bool:
        """Whether the client waits for an answer that it has not had."""
        return self._ack_id is not None

    @in_threads_too
    async def __call__(self, *args: Any) -> None:
        """Answer, once. Does nothing when the client wants no answer, or has it."""
        if self._ack_id is not None:
            message = {"type": "socketio.ack", "ack_id": self._ack_id, "args": list(args)}
            self._ack_id = None
            try:
                await self._send(message)
            except (TypeError, ValueError):  # can't be encoded: the client still waits
                self._ack_id = message["ack_id"]
                raise


class SocketIOConsumer(AsyncConsumer):
    """Handles one client in one namespace.

    Override `connect` and `disconnect`, and declare handlers with `@event`. Methods may be `async def`,
    or plain `def` to use the ORM: those run in a worker thread. Events of one socket are handled one at
    a time and in order.
    """

    #: Permission classes, or instances of them that are callable; all must agree.
    permission_classes: ClassVar[Sequence[Callable[[], BasePermission]]] = ()
    #: Name a channel layer to have `self.channel_name` and groups of Channels in this consumer.
    channel_layer_alias: ClassVar[str | None] = None

    handlers: ClassVar[dict[str, Handler]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = handlers_of(cls, _OWN_ATTRIBUTES)

    async def connect(self, auth: dict[str, Any] | None) -> None:
        """A client asks to join. Return to accept it; raise ConnectionRefused to refuse it.

        `auth` is the object that the client passed as its `auth` option. Emits and joins made here
        take effect with the acceptance.
        """

    async def disconnect(self, reason: str) -> None:
        """The client is gone, or was sent away; `reason` is Socket.IO's, as "transport close"."""

    @property
    def sid(self) -> str:
        """The public id of this socket, which its client knows as `socket.id`."""
        sid: str = self.scope["sid"]
        return sid

    @property
    def namespace(self) -> str:
        """The namespace as the client named it, for instance "/chat/42"."""
        namespace: str = self.scope["path"]
        return namespace

    @property
    def kwargs(self) -> dict[str, Any]:
        """What the path converters of `@namespace` found."""
        kwargs: dict[str, Any] = self.scope.get("url_route", {}).get("kwargs", {})
        return kwargs

    @property
    def user(self) -> Any:
        """The user of the client's Django session, or AnonymousUser."""
        if "user" in self.scope:
            return self.scope["user"]
        # Models can be imported only after Django's set-up, which asgi.py begins after this module.
        from django.contrib.auth.models import AnonymousUser

        return AnonymousUser()

    @property
    def data(self) -> dict[str, Any]:
        """A dict of yours that is kept with the socket."""
        data: dict[str, Any] = self.scope.setdefault("data", {})
        return data

    @property
    def rooms(self) -> set[str]:
        """The rooms that this socket is in; join and leave change it."""
        joined: set[str] = self.scope.setdefault("rooms", set())
        return joined

    @in_threads_too
    async def join(self, room: str | Model) -> None:
        """Join a room: any text that does not begin with "~", or a saved model instance."""
        await self._join(rooms.to_join(room))

    @in_threads_too
    async def leave(self, room: str | Model) -> None:
        """Leave a room; nothing happens if the socket is not in it."""
        name = rooms.to_join(room)
        await self.send({"type": "socketio.leave", "room": name})
        self.rooms.discard(name)

    @in_threads_too
    async def emit(
        self,
        event: str,
        *args: Any,
        to: Any = None,
        skip: Collection[str] = (),
        skip_self: bool = False,
        volatile: bool = False,
    ) -> None:
        """Emit an event to this client, or to the rooms, sids, users or instances in `to`.

        `skip` takes sids. A volatile event is dropped where a client is not ready to take it. Raises
        TypeError or ValueError for arguments that can't be sent, and EmitError where the other
        processes can't be reached.
        """
        targets = (self.sid,) if to is None else rooms.targets(to)
        await self._emit(event, args, targets, skip, skip_self, volatile)

    @in_threads_too
    async def broadcast(
        self,
        event: str,
        *args: Any,
        skip: Collection[str] = (),
        skip_self: bool = False,
        volatile: bool = False,
    ) -> None:
        """Emit an event to every client in this namespace, in all processes."""
        await self._emit(event, args, None, skip, skip_self, volatile)

    @in_threads_too
    async def call(self, event: str, *args: Any, timeout: float | None = None) -> Any:
        """Emit an event to this client and return its answer; a tuple if it has several values.

        `timeout` is in seconds, by default `REALTIME["CALL_TIMEOUT"]`. Raises CallTimeout, and
        CallError when the client leaves first.
        """
        ack_id, answer = self._mailbox.expect()
        message = _emit_message(event, args, (self.sid,), ack_id=ack_id)
        wait = settings.CALL_TIMEOUT if timeout is None else timeout
        values = await self._mailbox.answer(ack_id, answer, wait, self.send(message))
        if len(values) > 1:
            return tuple(values)
        return values[0] if values else None

    @in_threads_too
    async def close(self) -> None:
        """Disconnect this client from the namespace; its connection may stay for others."""
        await self.send({"type": "socketio.close"})

    # ASGI

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.scope = scope
        self.base_send = send
        self._mailbox = Mailbox(receive)
        self._tasks: set[asyncio.Task[None]] = set()
        self._permissions = [make() for make in self.permission_classes]
        self._event_permissions = [
            permission
            for permission in self._permissions
            if type(permission).may_handle is not BasePermission.may_handle
        ]
        await self._use_channel_layer()
        try:
            while True:
                await self.dispatch(await self._mailbox.next())
        except StopConsumer:
            pass
        finally:
            self._mailbox.close()
            for task in self._tasks:
                task.cancel()

    async def dispatch(self, message: ASGIMessage) -> None:
        """Hand a message to the method of its type, as Channels does: "chat.note" to chat_note."""
        method = getattr(self, get_handler_name(message), None)
        if method is None:
            raise ValueError(f"{type(self).__name__} has no method for {message['type']!r}")
        await method(message)

    async def socketio_connect(self, message: ASGIMessage) -> None:
        lane = lanes().acquire()
        try:
            for permission in self._permissions:
                if not await permission.may_connect(self):
                    raise ConnectionRefused(permission.message)
            if isinstance(self.user, Model) and self.user.is_authenticated:  # type: ignore[attr-defined]
                await self._join(rooms.of_instance(self.user))
            await _run(self.connect, self.scope.get("auth"))
            await self.send({"type": "socketio.accept"})
            await self._announce(signals.socket_connected, scope=self.scope)
        except ConnectionRefused as refused:
            await self.send(
                {"type": "socketio.refuse", "message": refused.message, "data": refused.data}
            )
            raise StopConsumer from refused
        finally:
            lanes().release(lane)

    async def socketio_event(self, message: ASGIMessage) -> None:
        name: Any = message["event"]
        handler = self.handlers.get(name)
        args: list[Any] = message["args"]
        if handler is None:
            handler = self.handlers.get(CATCH_ALL)
            args = args if handler is None else [name, *args]
        ack = Ack(self.send, message["ack_id"])
        if handler is None or not handler.concurrent:
            await self._handle(name, handler, args, ack)
            return
        if len(self._tasks) >= MAX_CONCURRENT:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.ensure_future(self._handle(name, handler, args, ack))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def socketio_disconnect(self, message: ASGIMessage) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        reason: str = message["reason"]
        lane = lanes().acquire()
        try:
            await _run(self.disconnect, reason)
        finally:
            await self._announce(signals.socket_disconnected, scope=self.scope, reason=reason)
            lanes().release(lane)
        raise StopConsumer

    # Private

    async def _use_channel_layer(self) -> None:
        self.channel_layer = None
        if self.channel_layer_alias is not None:
            self.channel_layer = get_channel_layer(self.channel_layer_alias)
            self.channel_name = await self.channel_layer.new_channel()
            self._mailbox.read_too(functools.partial(self.channel_layer.receive, self.channel_name))

    async def _join(self, name: str) -> None:
        await self.send({"type": "socketio.join", "room": name})
        self.rooms.add(name)

    async def _emit(
        self,
        event: str,
        args: tuple[Any, ...],
        to: Collection[str] | None,
        skip: Collection[str],
        skip_self: bool,
        volatile: bool,
    ) -> None:
        skipped = (*skip, self.sid) if skip_self else tuple(skip)
        await self.send(_emit_message(event, args, to, skip=skipped, volatile=volatile))

    async def _handle(self, name: str, handler: Handler | None, args: list[Any], ack: Ack) -> None:
        started = time.perf_counter()
        lane = lanes().acquire()
        try:
            result = await self._call_handler(name, handler, args, ack)
            if handler is None or not handler.takes_ack:
                await (ack(*result) if isinstance(result, tuple) else ack(result))
        except EventError as error:
            logger.warning("event %r of %s failed: %s", name, self.sid, error)
            await ack(error.as_dict())
            await self._announce(signals.event_failed, event=name, args=args, exception=error)
        except Exception as error:
            logger.exception("the handler of event %r raised, for %s", name, self.sid)
            await ack(EventError("Internal error", code="internal").as_dict())
            await self._announce(signals.event_failed, event=name, args=args, exception=error)
        else:
            if signals.event_handled.receivers:
                seconds = time.perf_counter() - started
                await self._announce(
                    signals.event_handled, event=name, args=args, result=result, seconds=seconds
                )
        finally:
            lanes().release(lane)

    async def _call_handler(
        self, name: str, handler: Handler | None, args: list[Any], ack: Ack
    ) -> Any:
        if handler is None:
            raise EventError(f"unknown event {name!r}", code="unknown_event")
        handler.check(args)
        for permission in self._event_permissions:
            if not await permission.may_handle(self, name, args):
                raise PermissionRefused(permission.message)
        if handler.takes_ack:
            return await handler.call(self, *args, ack=ack)
        return await handler.call(self, *args)

    async def _announce(self, signal: Signal, **facts: Any) -> None:
        if signal.receivers:
            await signal.asend_robust(
                type(self), sid=self.sid, namespace=self.namespace, user=self.user, **facts
            )


_OWN_ATTRIBUTES = frozenset(dir(SocketIOConsumer))


def _emit_message(
    event: str,
    args: tuple[Any, ...],
    to: Collection[str] | None,
    *,
    skip: Collection[str] = (),
    volatile: bool = False,
    ack_id: int | None = None,
) -> ASGIMessage:
    return {
        "type": "socketio.emit",
        "event": event,
        "args": args,
        "to": to,
        "skip": skip,
        "volatile": volatile,
        "ack_id": ack_id,
    }


async def _run(method: Callable[..., Any], *args: Any) -> Any:
    if iscoroutinefunction(method):
        return await method(*args)
    return await sync_to_async(method)(*args)
