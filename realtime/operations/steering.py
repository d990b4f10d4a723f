"""Steering: the sockets that match join a room, leave one, or are disconnected."""

import asyncio
from collections.abc import Collection
from typing import Any

from ..cluster.requests import Answer
from ..exceptions import RoomError
from ..node import rooms
from ..node.keeping import Change
from ..node.sockets import Socket, State
from ..server.namespaces import Namespaces
from .arguments import NOT_GIVEN, NotGiven, node_timeout
from .asking import Body, Inquiry, Operation, bound, twins
from .paging import in_turns
from .reports import Outcome
from .selection import selected, selection

#: Sockets that are changed or called between two turns of the event loop.
AT_ONCE = 50


def _change(name: str, body: Body, timeout: float | None) -> Operation[Outcome]:
    async def ask(inquiry: Inquiry) -> Outcome:
        answers = (await inquiry.ask(name, body, nodes=rooms.nodes_of(body["to"]))).values()
        return Outcome(
            sockets=sum(answer["sockets"] for answer in answers),
            refused=sum(answer.get("refused", 0) for answer in answers),
            missing=inquiry.missing,
        )

    return Operation(ask=ask, timeout=node_timeout(timeout))


# Join


def _join_sockets(
    room: Any, to: Any = None, *, namespace: str | None = "/", timeout: float | None = None
) -> Operation[Outcome]:
    """Make the sockets that match join a room: a name, or a saved model instance."""
    body = {**selection(to, namespace), "room": rooms.to_join(room)}
    return _change("sockets.join", body, timeout)


async def _answer_join(namespaces: Namespaces, body: Body) -> Body:
    room, joined, refused = body["room"], 0, 0
    for batch in in_turns(selected(namespaces.node.members, body), AT_ONCE):
        for socket in batch:
            if room in socket.rooms or socket.state is not State.CONNECTED:
                continue
            try:
                await namespaces.node.enter_room(socket, room)
            except RoomError:
                refused += 1
            else:
                joined += 1
        await asyncio.sleep(0)
    await _tell_keeper(namespaces, "join", body)
    return {"sockets": joined, "refused": refused}


# Leave


def _leave_sockets(
    room: Any, to: Any = None, *, namespace: str | None = "/", timeout: float | None = None
) -> Operation[Outcome]:
    """Remove the sockets that match from a room; with `to` None, all that are in it.

    Unlike in `join_sockets`, the room may be a reserved name such as "~auth.user:7".
    """
    (name,) = rooms.targets((room,)) or ()
    body = {**selection(name if to is None else to, namespace), "room": name}
    return _change("sockets.leave", body, timeout)


async def _answer_leave(namespaces: Namespaces, body: Body) -> Body:
    room, left = body["room"], 0
    for batch in in_turns(selected(namespaces.node.members, body), AT_ONCE):
        for socket in batch:
            if room in socket.rooms and socket.state is State.CONNECTED:
                namespaces.node.leave_room(socket, room)
                left += 1
        await asyncio.sleep(0)
    for socket in namespaces.node.entering(room, body.get("namespace")):
        if _is_meant(socket, room, body.get("to")):
            namespaces.node.leave_room(socket, room)
            left += 1
    await _tell_keeper(namespaces, "leave", body)
    return {"sockets": left}


def _is_meant(socket: Socket, room: str, to: Collection[str] | None) -> bool:
    """Whether a socket that is about to join a room is among those that are to leave it."""
    return to is None or room in to or socket.sid in to or not socket.rooms.isdisjoint(to)


# Disconnect


def _disconnect_sockets(
    to: Any = None,
    *,
    namespace: str | NotGiven | None = NOT_GIVEN,
    connection: bool = False,
    timeout: float | None = None,
) -> Operation[Outcome]:
    """Disconnect the sockets that match, by default in the namespace "/".

    With `connection`, their connections are closed, and with them the clients' other namespaces. To
    disconnect everyone, pass the namespace: without it and without `to`, ValueError is raised.
    """
    if namespace is NOT_GIVEN:
        if to is None:
            raise ValueError(
                "disconnect_sockets() must be told whom to disconnect: pass to= a room, sid, user"
                ' or model instance, or namespace="/" for everyone in it'
            )
        namespace = "/"
    body = {**selection(to, namespace), "connection": bool(connection)}
    return _change("sockets.disconnect", body, timeout)


async def _answer_disconnect(namespaces: Namespaces, body: Body) -> Body:
    sockets = selected(namespaces.node.members, body)
    for batch in in_turns(sockets, AT_ONCE):
        for socket in batch:
            if body.get("connection", False):
                namespaces.close_connection(socket.client)
            else:
                namespaces.close(socket)
        await asyncio.sleep(0)
    await _tell_keeper(namespaces, "disconnect", body)
    return {"sockets": sum(socket.state is State.CLOSED for socket in sockets)}


async def _tell_keeper(namespaces: Namespaces, kind: str, body: Body) -> None:
    """Clients that are away and may come back are not among the sockets, but meant as well."""
    keeper = namespaces.node.keeper
    if keeper is not None:
        to = body.get("to")
        room, namespace = body.get("room", ""), body.get("namespace")
        await keeper.steered(Change(kind, room, None if to is None else tuple(to), namespace))


join_sockets, ajoin_sockets = twins(_join_sockets)
leave_sockets, aleave_sockets = twins(_leave_sockets)
disconnect_sockets, adisconnect_sockets = twins(_disconnect_sockets)


def answers(namespaces: Namespaces) -> dict[str, Answer]:
    """What a node does to its own sockets when it is asked."""
    return bound(
        namespaces,
        {
            "sockets.join": _answer_join,
            "sockets.leave": _answer_leave,
            "sockets.disconnect": _answer_disconnect,
        },
    )
