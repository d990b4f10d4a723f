"""ASGI applications of protocol type `socketio`: their scope, and what they may send.

**A Socket.IO namespace is an ASGI application of protocol type `socketio`.** Its scope:

    {"type": "socketio", "path": the namespace, "sid": ..., "auth": {...} or None,
     "headers", "query_string", "client", "server", "scheme": of the opening request,
     "transport": "websocket" or "polling" at that time, "rooms": a set, "data": a dict,
     "busy": a set, in which the application keeps what it has in progress while it receives on}

It receives `socketio.connect`, `socketio.event` (event, args, ack_id or None), `socketio.ack`
(ack_id, args), `socketio.disconnect` (reason); and sends `socketio.accept`, `socketio.refuse`
(message, data), `socketio.ack` (ack_id, args), `socketio.emit` (event, args, to, skip, volatile,
ack_id), `socketio.join` (room, presence) and `socketio.leave` (room), `socketio.close` (connection:
True for all namespaces of the client). An acceptance may say who the client is, for presence and
lists of sockets: `user` is {"model": a label such as "auth.user", "pk": text, "name": text}, or
None; `marks` are digests by which its session is known again (see revocation/marks.py). In an emit
`to` is a list of rooms and sids, or None for the whole namespace. Emits before the acceptance
follow it.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..consumers.mailbox import ASGIMessage
from ..node import emissions
from ..node.sockets import Socket, State
from ..protocol.packets import Packet, PacketType

if TYPE_CHECKING:
    from .namespaces import Namespaces

Application = Callable[[Any, Any, Any], Awaitable[None]]


def scope_of(socket: Socket, auth: dict[str, Any] | None) -> dict[str, Any]:
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
        "busy": socket.busy,
    }


async def perform(namespaces: "Namespaces", socket: Socket, message: ASGIMessage) -> None:
    """Do what the application of a socket asks for; its ASGI `send`."""
    verb = _VERBS.get(message["type"])
    if verb is None:
        raise ValueError(
            f"{message['type']!r} is no message of a socketio application; it may send"
            f" {', '.join(_VERBS)}"
        )
    await verb(namespaces, socket, message)


async def _accept(namespaces: "Namespaces", socket: Socket, message: ASGIMessage) -> None:
    await namespaces.accept(socket, message)


async def _refuse(namespaces: "Namespaces", socket: Socket, message: ASGIMessage) -> None:
    if socket.state is State.CONNECTING:
        error = {"message": message["message"]}
        if message.get("data") is not None:
            error["data"] = message["data"]
        namespaces.refuse(socket, error)


async def _ack(namespaces: "Namespaces", socket: Socket, message: ASGIMessage) -> None:
    packet = Packet(PacketType.ACK, socket.namespace, message["args"], message["ack_id"])
    messages = namespaces.parser.encode(packet)
    if socket.state is State.CONNECTED:
        socket.send(messages)


async def emit(namespaces: "Namespaces", socket: Socket, message: ASGIMessage) -> None:
    """Emit what the application, or its connect handler before the acceptance, wants emitted."""
    if message.get("ack_id") is not None:
        _ask(namespaces, socket, message)
        return
    to = message["to"]
    emission = emissions.encode(
        message["event"],
        message["args"],
        namespace=socket.namespace,
        to=None if to is None else tuple(to),
        skip=message.get("skip", ()),
        volatile=message.get("volatile", False),
    )
    if socket.state is State.CONNECTING:
        socket.held.append(message)
    elif emission.to == (socket.sid,):
        if socket.state is State.CONNECTED and socket.sid not in emission.skip:
            namespaces.send_to_one(socket, emission)
    else:
        await namespaces.broadcast(emission)


def _ask(namespaces: "Namespaces", socket: Socket, message: ASGIMessage) -> None:
    if tuple(message["to"] or ()) != (socket.sid,):
        raise ValueError("an emit with an ack_id is for the socket itself: to=[its sid]")
    if socket.state is State.CONNECTING:
        raise RuntimeError("a client can be asked only once it is accepted, not in connect")
    if socket.state is State.CLOSED:
        return

    def answered(*args: Any) -> None:
        socket.put({"type": "socketio.ack", "ack_id": message["ack_id"], "args": list(args)})

    namespaces.ask(socket, message["event"], message["args"], answered)


async def _join(namespaces: "Namespaces", socket: Socket, message: ASGIMessage) -> None:
    await namespaces.enter_room(socket, message["room"])
    if message.get("presence", False) and message["room"] in socket.rooms:
        namespaces.presence.join(socket, message["room"])


async def _leave(namespaces: "Namespaces", socket: Socket, message: ASGIMessage) -> None:
    namespaces.leave_room(socket, message["room"])


async def _close(namespaces: "Namespaces", socket: Socket, message: ASGIMessage) -> None:
    if message.get("connection", False):
        namespaces.close_connection(socket.client)
    else:
        namespaces.close(socket)


_VERBS: dict[str, Callable[["Namespaces", Socket, ASGIMessage], Awaitable[None]]] = {
    "socketio.emit": emit,
    "socketio.ack": _ack,
    "socketio.join": _join,
    "socketio.leave": _leave,
    "socketio.accept": _accept,
    "socketio.refuse": _refuse,
    "socketio.close": _close,
}
