"""SocketIOConsumer: one instance for each client in a namespace."""

import functools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar

from asgiref.sync import markcoroutinefunction
from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied
from django.http import Http404

from .. import signals
from ..aio.calls import async_or_not, run, run_for_truth
from ..aio.tasks import Tasks
from ..authentication.base import BaseAuthentication
from ..authentication.identity import authenticate, check_classes, default_classes
from ..events import CATCH_ALL, Handler, handlers_of
from ..exceptions import ConnectionRefused
from ..middleware import acting, nobody_acts
from ..node.inboxes import ASGIMessage
from ..node.threads import lanes
from ..permissions import made
from ..rules import changes, joining, spoken
from ..rules.asking import Admission
from ..rules.declarations import rules_of
from ..rules.rule import RoomRule
from ..schema.emits import Emitted, read_emits
from ..server.acks import Ack, Send, socket_behind
from ..server.handling import Handling, announce, as_refusal, near
from . import group_messages
from .calling import call
from .mailbox import CLIENT_EVENT, Mailbox, Receive
from .socket import ConsumerSocket

logger = logging.getLogger("realtime.consumers")
_handling = Handling(logger)

#: Seconds before the consumer starts in which the middleware may have read the user.
AHEAD = 5.0
#: Concurrent handlers of one socket that may run at once; further events wait for one to end.
MAX_CONCURRENT = 100


class SocketIOConsumer(ConsumerSocket):
    """Handles the events of one client in one namespace.

    Override `connect` and `disconnect`, and declare handlers with `@event`. Each may be `async
    def`, or a plain `def` that runs in a worker thread and may use the ORM. The events of one
    socket are handled one at a time and in order.
    """

    #: Authentication classes, or callables that return instances of them. The first one that knows
    #: the client decides. None means `REALTIME["AUTHENTICATION_CLASSES"]`.
    authentication_classes: ClassVar[Sequence[Callable[[], BaseAuthentication]] | None] = None
    #: Permission classes, or instances of them. All must agree.
    permission_classes: ClassVar[Sequence[Any]] = ()

    #: The events that clients get, with the types of their arguments: a type, or a tuple of them.
    #: See docs/schema.md.
    emits: ClassVar[Mapping[str, Any]] = {}

    #: Whether clients that reconnect get their socket back, and the events that they missed: True,
    #: False, or a dict with keys of the setting RECOVERY. None means what the setting says.
    recovery: ClassVar[Mapping[str, Any] | bool | None] = None

    handlers: ClassVar[dict[str, Handler]] = {}
    room_rules: ClassVar[tuple[RoomRule, ...]] = ()
    emitted: ClassVar[dict[str, Emitted]] = {}
    #: Whether it has permissions or rules, which are asked again when a user's rights change.
    _is_asked_again: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        made(cls.permission_classes)  # raises for what is not a permission
        check_classes(cls.authentication_classes, f"{cls.__module__}.{cls.__qualname__}")
        cls.handlers = handlers_of(cls, _OWN_ATTRIBUTES)
        cls.room_rules = rules_of(cls, _OWN_ATTRIBUTES)
        changes.listen(cls.room_rules)
        cls.handlers |= joining.handlers(cls.room_rules, cls.handlers, cls)
        cls._is_asked_again = bool(
            cls.permission_classes
            or cls.room_rules
            or any(handler.permissions for handler in cls.handlers.values())
        )
        cls.emitted = read_emits(cls, spoken.emits(cls.room_rules))

    @async_or_not
    async def connect(self, auth: dict[str, Any] | None) -> None:
        """Called before a client is accepted. Return to accept it.

        Raise ConnectionRefused to refuse it; Http404 and PermissionDenied refuse it too. `auth` is
        the object that the client passed as its `auth` option, or None. Emits and joins made here
        take effect when the client is accepted.
        """

    @async_or_not
    async def disconnect(self, reason: str) -> None:
        """Called when the client is gone and its handlers have ended.

        `reason` is one of Socket.IO's names, such as "transport close".
        """

    # ASGI

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Any:
        """Return an ASGI application that creates a consumer for each socket, as in Channels."""

        # Not `async`: Channels' own is a coroutine that stays for as long as the socket.
        def application(scope: dict[str, Any], receive: Receive, send: Send) -> Any:
            return cls(**initkwargs)(scope, receive, send)

        functools.update_wrapper(application, cls, updated=())
        vars(application).update(consumer_class=cls, consumer_initkwargs=initkwargs)
        return markcoroutinefunction(application)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.scope = scope
        self.base_send = send
        is_own = type(self).send is ConsumerSocket.send
        self._socket = socket_behind(send) if is_own else None
        self._spare_ack = None if self._socket is None else Ack(send, None, self._socket)
        self.recovered = False
        self._mailbox = Mailbox(receive, scope.get("ahead"))
        self._tasks = Tasks()
        busy = self._busy = scope.get("busy", set())
        self.permission_instances = made(self.permission_classes)
        self._event_permissions = [
            permission for permission in self.permission_instances if permission.minds_events
        ]
        mailbox = self._mailbox
        try:
            while True:
                mailbox.is_read = True
                message = await (receive() if mailbox.is_quiet else mailbox.next())
                mailbox.is_read = False
                is_usual = mailbox.is_quiet and message["type"] == CLIENT_EVENT
                if not is_usual and mailbox.keeps(message):
                    continue
                # The inbox does not show it: the mailbox reads on while a handler awaits an answer.
                busy.add(self)
                await self.dispatch(message)
                busy.discard(self)
        except StopConsumer:
            pass
        finally:
            mailbox.close()
            # The set is in our scope: what stayed in it would keep this object alive for ever.
            busy.discard(self)
            self._tasks.cancel()
            # Admissions hold their consumer: no cycle is to outlive it.
            self._admitted = None
            await self._leave_groups()

    def dispatch(self, message: ASGIMessage) -> Awaitable[None]:
        """Hand a message to the method of its type, as Channels does: "chat.note" to chat_note."""
        if "type" in message and message["type"] == CLIENT_EVENT:
            return self.socketio_event(message)
        kind = message.get("type")
        name = _method_of(kind) if isinstance(kind, str) else get_handler_name(message)
        method: Callable[[ASGIMessage], Awaitable[None]] | None = getattr(self, name, None)
        if method is None:
            raise ValueError(f"{type(self).__name__} has no method for {kind!r}")
        return method(message)

    async def socketio_connect(self, message: ASGIMessage) -> None:
        lane = lanes().acquire()
        by = type(self).__name__
        # A middleware may have read the user a while ago: what changed since then is not in it.
        asked = time.monotonic() - AHEAD
        try:
            await self._authenticate()
            for permission in self.permission_instances:
                if not await run_for_truth(permission.may_connect, self):
                    by = type(permission).__name__
                    raise ConnectionRefused(permission.message, {"code": permission.code})
            await self._recover()
            await self._join_groups()
            await run(self.connect, self.scope.get("auth"))
            await self._accept(asked)
            await announce(self, signals.socket_connected, scope=self.scope)
        except (ConnectionRefused, Http404, PermissionDenied) as error:
            refused = as_refusal(error)
            by = getattr(refused, "by", None) or by
            refusal = {"message": refused.message, "data": refused.data, "by": by}
            await self.send({"type": "socketio.refuse", **refusal})
            raise StopConsumer from error
        finally:
            lanes().release(lane)

    def socketio_event(self, message: ASGIMessage) -> Awaitable[None]:
        name: Any = message["event"]
        handler = self.handlers.get(name)
        args: list[Any] = message["args"]
        sid = self.scope["sid"]
        if acting.get() != sid:
            # Until a message of another kind: to set and reset it takes longer than the rest here.
            acting.set(sid)
        if handler is None or name == CATCH_ALL:
            # Even if the client calls its event "*", which is not a name that it may choose.
            handler = self.handlers.get(CATCH_ALL)
            args = args if handler is None else [name, *args]
        ack = self._spare_ack
        if ack is None or handler is None or not handler.is_plain:
            ack = Ack(self.send, message["ack_id"], self._socket)
        else:  # nobody else gets hold of it, and there is one such event at a time
            ack.ack_id = message["ack_id"]
        if handler is None:
            hint = self._hint_at(name)
            return _handling.run(self, name, None, args, ack, call, hint=hint)
        if not handler.concurrent:
            return _handling.run(self, name, handler, args, ack, call)
        return self._run_beside(
            functools.partial(_handling.run, self, name, handler, args, ack, call)
        )

    def socketio_told(self, message: ASGIMessage) -> Awaitable[None]:
        """A message came over the channel layer, from a group or to `channel_name`."""
        return group_messages.handle(self, message["message"], _OWN_ATTRIBUTES)

    async def socketio_disconnect(self, message: ASGIMessage) -> None:
        await self._tasks.wait()
        reason: str = message["reason"]
        nobody_acts()
        lane = lanes().acquire()
        try:
            await run(self.disconnect, reason)
        finally:
            await announce(self, signals.socket_disconnected, scope=self.scope, reason=reason)
            lanes().release(lane)
        raise StopConsumer

    # Private

    async def _run_beside(self, handle: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a concurrent handler, once there are not too many of them."""
        if len(self._tasks) >= MAX_CONCURRENT:
            await self._tasks.wait_for_one()
        task = self._tasks.start(handle())
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _authenticate(self) -> None:
        """Find out who the client is. Raises AuthenticationFailed."""
        classes = self.authentication_classes
        makers = default_classes() if classes is None else classes
        await self._become(await authenticate(self.scope, [make() for make in makers]))

    async def _recover(self) -> None:
        """Take up the socket that the client had, if it comes back to one in time."""
        recover = self.scope.get("recover")
        found = None if recover is None else await recover()
        if found is None:
            return
        self.scope["sid"] = found.sid
        self.recovered = True
        for room in found.ruled:
            await joining.readmit(self, room)

    async def _accept(self, asked: float) -> None:
        # `connect` may have put a user into the scope, instead of calling `log_in`.
        if self._identity is not None and self.user is not self._identity.user:
            await self._become(self._identity.replaced(self.user))
        accept: ASGIMessage = {"type": "socketio.accept"}
        if self._is_asked_again:
            accept["admission"] = Admission(consumer=self, asked=asked)
        await self.send(accept)

    def _hint_at(self, name: Any) -> str:
        """What to say in development of an unknown event: it lacks @event, or is misspelt."""
        method = getattr(type(self), name, None) if isinstance(name, str) else None
        if django_settings.DEBUG and name not in _OWN_ATTRIBUTES and callable(method):
            return f": {type(self).__name__}.{name} is there, but lacks @event"
        if django_settings.DEBUG and name in (spoken.JOIN, spoken.LEAVE):
            return f": {type(self).__name__} has no @room"
        return near(name, self.handlers)


@functools.lru_cache(maxsize=1_000)
def _method_of(kind: str) -> str:
    """The name of the method for messages of this type."""
    name: str = get_handler_name({"type": kind})
    return name


_OWN_ATTRIBUTES = frozenset(dir(SocketIOConsumer))
