"""ASGI applications of protocol type `socketio`: their scope, and what they may send.

**A Socket.IO namespace is an ASGI application of protocol type `socketio`.** Its scope:

    {"type": "socketio", "path": the namespace, "sid": ..., "auth": {...} or None,
     "headers", "query_string", "client", "server", "scheme": of the opening request,
     "transport": "websocket" or "polling" at that time, "rooms": a set, "data": a dict,
     "recover": None, or what gives the socket back the state that its client may come back for,
     "busy": a set, in which the application keeps what it has in progress while it receives on,
     "ahead": a queue (append, popleft, len) for what it receives before its turn}

It receives `socketio.connect`, `socketio.event` (event, args, ack_id or None, and size: what it
counts against `REALTIME["INBOX_BYTES"]`), `socketio.ack` (ack_id, args; None where no answer will
come), `socketio.disconnect` (reason); and sends `socketio.identify` (user, login),
`socketio.accept`, `socketio.refuse` (message, data, by: what refuses, for the log), `socketio.ack`
(ack_id, args), `socketio.emit` (event, args, to, skip, volatile, retain, ack_id), `socketio.join`
(room, presence, admission, history) and `socketio.leave` (room), `socketio.history` (history),
`socketio.close` (connection: True for all namespaces of the client), and `socketio.tell` (message),
which it receives itself as `socketio.told`, in the order of the client's events.

`socketio.identify` says who the client is, for presence and lists of sockets, and to have it out
when its login ends: `user` is {"model": a label such as "auth.user", "pk": text, "name":
text}, or None, and `login` a Login of revocation/login.py, or None. It is best sent before anything
else is done for the client; an acceptance may have the same two keys. An acceptance and a join may
have an `admission`, of rules/asking.py: the rule behind it, which is asked again when what it read
has changed. In an emit `to` is a list of rooms and sids, or None for the whole namespace. Emits
before the acceptance follow it; events of the client come after it.

`history` is how much of a room's past its newcomer is told, a Wanted of recovery/store.py, or None;
`socketio.history` asks, before the acceptance, for that of the namespace. `retain` is a key, of
whose values the newest is kept, or None.

`recover` is to be awaited, once, when it is known who the client is (`socketio.identify`) and that
it may connect, and before anything else is done for it. It has filled `rooms` and `data` then, and
returns a Recovered: the `sid` that the socket has from now on, and the rooms of rules (`ruled`),
which the application is to ask again; or None, where there is nothing to come back to.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ..conf import settings
from ..exceptions import EmitError, RoomError
from ..node import emissions, silence, unicast
from ..node.emissions import Emission
from ..node.inboxes import ASGIMessage
from ..node.keeping import Recovered
from ..node.node import ServingNode
from ..node.sockets import Socket, State

#: Seconds between two looks whether as much waits for a socket's handlers as may.
FULL_PAUSE = 0.05
# On Python 3.11 to look a member of an enum up takes longer than to compare it.
_CONNECTED = State.CONNECTED

Application = Callable[[Any, Any, Any], Awaitable[None]]


#: Gives a socket back what its client came back for; see the module's docstring.
Recover = Callable[[], Awaitable[Recovered | None]]


def scope_of(
    socket: Socket, auth: dict[str, Any] | None, recover: Recover | None = None
) -> dict[str, Any]:
    """The scope of a socket's application."""
    request = socket.connection.scope
    return {
        "type": "socketio",
        "asgi": {"version": "3.0"},
        "path": socket.namespace,
        "sid": socket.sid,
        "auth": auth,
        "headers": request["headers"],
        "query_string": request["query_string"],
        "client": request.get("client"),
        "server": request.get("server"),
        "scheme": request.get("scheme", "http"),
        "transport": socket.connection.transport,
        "rooms": socket.rooms,
        "data": socket.data,
        "recover": recover,
        "busy": socket.busy,
        "ahead": socket.ahead,
    }


async def ack(node: ServingNode, socket: Socket, message: ASGIMessage) -> None:
    """The answer to an event of the client's."""
    answer(socket, message["ack_id"], message["args"])


def answer(socket: Socket, ack_id: int, args: list[Any]) -> None:
    """Send an ack. Raises TypeError or ValueError for what can't be sent."""
    messages = emissions.encode_ack(socket.namespace, ack_id, args)
    if socket.state is _CONNECTED:
        socket.send(messages)


async def emit(node: ServingNode, socket: Socket, message: ASGIMessage) -> None:
    """What the application, or its connect handler before the acceptance, wants emitted."""
    if message.get("ack_id") is not None:
        _ask(socket, message)
        return
    to = message["to"]
    emission = emissions.encode(
        message["event"],
        message["args"],
        namespace=socket.namespace,
        to=None if to is None else tuple(to),
        skip=message.get("skip", ()),
        volatile=message.get("volatile", False),
        retain=message.get("retain"),
    )
    if socket.state is State.CONNECTING:
        socket.held.append(emission)
    else:
        await deliver(node, socket, emission)


async def deliver(node: ServingNode, socket: Socket, emission: Emission) -> None:
    """Send what a socket's application emitted: to the socket itself, or to all recipients."""
    if emission.to != (socket.sid,) or node.keeper_of(socket.namespace) is not None:
        try:
            await node.broadcast(emission)
        except EmitError as error:
            if not settings.EMIT_FAIL_SILENTLY:
                raise
            silence.keep(emission, error)
    elif socket.state is State.CONNECTED and not _is_skipped(socket, emission):
        unicast.send(socket, emission)


def _is_skipped(socket: Socket, emission: Emission) -> bool:
    skip = emission.skip
    return bool(skip) and (socket.sid in skip or not skip.isdisjoint(socket.rooms))


def _ask(socket: Socket, message: ASGIMessage) -> None:
    if tuple(message["to"] or ()) != (socket.sid,):
        raise ValueError("an emit with an ack_id must be for the socket itself: to=[its sid]")
    if socket.state is State.CONNECTING:
        raise RuntimeError("a client can't be asked in connect, only once it is accepted")
    if socket.state is State.CLOSED:
        return

    def answered(*args: Any) -> None:
        socket.put({"type": "socketio.ack", "ack_id": message["ack_id"], "args": list(args)})

    def lost() -> None:
        socket.put({"type": "socketio.ack", "ack_id": message["ack_id"], "args": None})

    unicast.ask(socket, message["event"], message["args"], answered, lost)


async def join(node: ServingNode, socket: Socket, message: ASGIMessage) -> None:
    """The socket is to be in a room."""
    room = message["room"]
    await node.enter_room(socket, room, message.get("history"))
    if message.get("presence", False) and room in socket.rooms:
        for follower in node.followers:
            follower.wants_presence(socket, room)
    if message.get("admission") is not None and room in socket.rooms:
        node.admit(socket, room, message["admission"])


async def tell(node: ServingNode, socket: Socket, message: ASGIMessage) -> None:
    """The socket's application has something for itself, once there is room in the inbox."""
    # Looked at, for it is rare; a signal would cost each socket and each event.
    while socket.is_full and socket.state is not State.CLOSED:  # noqa: ASYNC110
        await asyncio.sleep(FULL_PAUSE)
    if socket.state is not State.CLOSED:
        socket.put({"type": "socketio.told", "message": message["message"]})


async def history(node: ServingNode, socket: Socket, message: ASGIMessage) -> None:
    """The connecting socket is to be told what was emitted to its whole namespace."""
    keeper = node.keeper_of(socket.namespace)
    if socket.state is State.CONNECTED:
        raise RoomError("join(None, history=...) is for `connect`: name a room")
    if keeper is not None and socket.state is State.CONNECTING:
        keeper.wants_past(socket, None, message["history"])


async def leave(node: ServingNode, socket: Socket, message: ASGIMessage) -> None:
    """The socket is to leave a room."""
    node.leave_room(socket, message["room"])
