"""What a consumer can say and ask, and what it knows of its client."""

from collections.abc import Collection, Coroutine
from typing import Any

from django.db.models import Model

from ..aio.calls import in_threads_too, in_threads_with_result
from ..authentication.identity import Expiry, Identity, declared
from ..conf import settings
from ..node import rooms
from ..node.inboxes import ASGIMessage
from ..recovery import past
from ..recovery.past import History
from ..recovery.store import Wanted
from ..revocation.users import is_known, nobody
from .groups import GroupMember
from .mailbox import Mailbox


class ConsumerSocket(GroupMember):
    """One socket, seen from its consumer. Each verb is a message of the `socketio` protocol."""

    _mailbox: Mailbox
    #: Who the client is, and what says so; None until it was asked.
    _identity: Identity | None = None
    #: None until a rule lets the client into a room: most sockets need no dict.
    _admitted: dict[str, Any] | None = None
    #: Whether the client came back to this socket after a broken connection. Rooms and `data` are
    #: then as they were, and the missed events follow. Set before `connect` is called.
    recovered: bool

    @property
    def sid(self) -> str:
        """The public id of this socket. Its client knows it as `socket.id`."""
        sid: str = self.scope["sid"]
        return sid

    @property
    def namespace(self) -> str:
        """The namespace as the client named it, such as "/chat/42"."""
        namespace: str = self.scope["path"]
        return namespace

    @property
    def kwargs(self) -> dict[str, Any]:
        """The values of the path converters of `@namespace`."""
        kwargs: dict[str, Any] = self.scope.get("url_route", {}).get("kwargs", {})
        return kwargs

    @property
    def user(self) -> Any:
        """The user that the authentication classes found, or AnonymousUser."""
        if "user" in self.scope:
            return self.scope["user"]
        return nobody()

    @property
    def credential(self) -> Any:
        """The token of the client as a Credential, or None for a session."""
        return None if self._identity is None else self._identity.credential

    @property
    def data(self) -> dict[str, Any]:
        """A dict for your own use, kept for the lifetime of the socket."""
        data: dict[str, Any] = self.scope.setdefault("data", {})
        return data

    @property
    def rooms(self) -> set[str]:
        """The names of the rooms that this socket is in. Change them with join and leave."""
        joined: set[str] = self.scope.setdefault("rooms", set())
        return joined

    @property
    def admitted(self) -> dict[str, Any]:
        """The rooms that the client joined by a rule, as the rules know them."""
        if self._admitted is None:
            self._admitted = {}
        return self._admitted

    @in_threads_too
    async def join(
        self,
        room: str | Model | None,
        *,
        presence: bool = False,
        history: History | None = None,
    ) -> None:
        """Join a room: any string that does not begin with "~", or a saved model instance.

        - `presence` makes the user present in the room. The client gets the event `presence:state`,
          and then `presence:diff` as users come and go; see docs/presence.md.
        - `history` sends the client past events of the room first: an int for the number of last
          events, a timedelta or datetime for how far to go back, or the offset of an event. See
          docs/history.md.

        If the socket is in the room already, nothing happens. `join(None, history=...)`, in
        `connect`, sends what was emitted to the whole namespace. Raises RoomError for an invalid
        room or beyond `MAX_ROOMS`, and RecoveryError for `history` in a namespace without recovery.
        """
        wanted = self._wanted(history)
        if room is None and wanted is not None:
            await self.send({"type": "socketio.history", "history": wanted})
        else:
            await self._join(rooms.to_join(room), presence, wanted)

    @in_threads_too
    async def leave(self, room: str | Model) -> None:
        """Leave a room: a name or a model instance. If the socket is not in it, nothing happens."""
        name = rooms.to_join(room)
        await self.send({"type": "socketio.leave", "room": name})

    @in_threads_too
    async def log_in(self, user: Any, *, expires: Expiry = None) -> None:
        """Set the user of this socket, in `connect` or a handler; None makes it anonymous.

        The socket then belongs to the user in every way: `self.user`, `to=user`, presence, the
        admin, and the end of the login. `expires` ends the login: a datetime, a timedelta from now,
        or seconds since the epoch. Nothing is written to a session. Raises TypeError for what is
        not a user, and RoomError for a user that is not saved.
        """
        await self._become(declared(user, expires))

    @in_threads_too
    async def emit(
        self,
        event: str,
        *args: Any,
        to: Any = None,
        skip: Any = (),
        skip_self: bool = False,
        volatile: bool = False,
        retain: str | None = None,
    ) -> None:
        """Emit an event to this client, or to the rooms, sids, users or instances in `to`.

        `to`, `skip`, `volatile` and `retain` are the same as in `realtime.emit`. `skip_self`, or
        `skip=self`, leaves this client out. Raises TypeError or ValueError for arguments that can't
        be sent, and EmitError if other processes can't be reached, unless
        `REALTIME["EMIT_FAIL_SILENTLY"]` is on.
        """
        targets = (self.sid,) if to is None else rooms.targets(to)
        await self._emit(event, args, targets, skip, skip_self, volatile, retain)

    @in_threads_too
    async def broadcast(
        self,
        event: str,
        *args: Any,
        skip: Any = (),
        skip_self: bool = False,
        volatile: bool = False,
        retain: str | None = None,
    ) -> None:
        """Emit an event to all clients in this namespace. The options are those of `emit`."""
        await self._emit(event, args, None, skip, skip_self, volatile, retain)

    @in_threads_with_result
    async def call(self, event: str, *args: Any, timeout: float | None = None) -> Any:
        """Emit an event to this client and return its answer, or a tuple if it has several values.

        `timeout` is in seconds, by default `REALTIME["CALL_TIMEOUT"]`. Raises CallTimeout if there
        is no answer in time, and CallError if the client leaves first.
        """
        ack_id, answer = self._mailbox.expect()
        message = _emit_message(event, args, (self.sid,), ack_id=ack_id)
        wait = settings.CALL_TIMEOUT if timeout is None else timeout
        values = await self._mailbox.answer(ack_id, answer, wait, self.send(message))
        if len(values) > 1:
            return tuple(values)
        return values[0] if values else None

    @in_threads_too
    async def close(self, *, connection: bool = False) -> None:
        """Disconnect this client from the namespace; with `connection`, from all of its namespaces.

        The JavaScript client does not reconnect by itself afterwards.
        """
        await self.send({"type": "socketio.close", "connection": connection})

    # ASGI

    def send(self, message: ASGIMessage) -> Coroutine[Any, Any, None]:
        """Send a message of the `socketio` protocol; see server/applications.py."""
        # Channels' own is a coroutine that only awaits this one.
        sending: Coroutine[Any, Any, None] = self.base_send(message)
        return sending

    # Private

    async def _become(self, identity: Identity) -> None:
        """Have the client known as this user everywhere, and as no other any more."""
        before, self._identity = self._identity, identity
        left = _user_room(before.user) if before is not None else None
        entered = _user_room(identity.user)
        self.scope["user"] = identity.user
        if left or entered:
            login = identity.login(self.scope.get("session"))
            user = _described(identity.user, entered)
            await self.send({"type": "socketio.identify", "user": user, "login": login})
        if left and left != entered:
            await self.send({"type": "socketio.leave", "room": left})
        if entered and left != entered:
            await self._join(entered)

    def _wanted(self, history: History | None) -> Wanted | None:
        if history is None:
            return None
        past.require(self.namespace, "history=")
        return past.wanted(history)

    async def _join(self, name: str, presence: bool = False, history: Wanted | None = None) -> None:
        message: ASGIMessage = {"type": "socketio.join", "room": name, "presence": presence}
        if history is not None:
            message["history"] = history
        await self.send(message)

    async def _emit(
        self,
        event: str,
        args: tuple[Any, ...],
        to: Collection[str] | None,
        skip: Any,
        skip_self: bool,
        volatile: bool,
        retain: str | None,
    ) -> None:
        if retain is not None:
            past.require(self.namespace, "retain=")
        # Most emits skip nobody.
        skipped = rooms.skipped(skip) if skip else ()
        if skip_self:
            skipped = (*skipped, self.sid)
        message = _emit_message(event, args, to, skip=skipped, volatile=volatile)
        if retain is not None:
            message["retain"] = retain
        await self.send(message)


def _user_room(user: Any) -> str | None:
    return rooms.of_instance(user) if is_known(user) else None


def _described(user: Any, room: str | None) -> dict[str, str] | None:
    """Who the client is, for lists of sockets."""
    if room is None:
        return None
    model, _, pk = room.removeprefix(rooms.RESERVED).partition(":")
    return {"model": model, "pk": pk, "name": str(user.get_username())}


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
