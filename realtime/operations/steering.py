"""What a node does to its own sockets when it is asked: let them join, leave, go, or answer."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..exceptions import RoomError
from ..node.sockets import Socket, State
from ..server.namespaces import Namespaces
from .arguments import Body
from .inspection import matching
from .paging import in_turns
from .values import pack, unpack

#: Sockets that are changed or asked between two turns of the event loop.
AT_ONCE = 50


def answers(namespaces: Namespaces) -> dict[str, Callable[[Body], Any]]:
    """What a node can be asked to do: verb -> function of the body."""
    verbs = {
        "sockets.join": _join,
        "sockets.leave": _leave,
        "sockets.disconnect": _disconnect,
        "sockets.call": _call,
    }
    return {verb: functools.partial(answer, namespaces) for verb, answer in verbs.items()}


async def _join(namespaces: Namespaces, body: Body) -> Body:
    room, joined, refused = body["room"], 0, 0
    for batch in in_turns(matching(namespaces.node.members, body), AT_ONCE):
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
    return {"sockets": joined, "refused": refused}


async def _leave(namespaces: Namespaces, body: Body) -> Body:
    room, left = body["room"], 0
    for batch in in_turns(matching(namespaces.node.members, body), AT_ONCE):
        for socket in batch:
            if room in socket.rooms and socket.state is State.CONNECTED:
                namespaces.node.leave_room(socket, room)
                left += 1
        await asyncio.sleep(0)
    return {"sockets": left}


async def _disconnect(namespaces: Namespaces, body: Body) -> Body:
    sockets = matching(namespaces.node.members, body)
    for batch in in_turns(sockets, AT_ONCE):
        for socket in batch:
            if body.get("connection", False):
                namespaces.close_connection(socket.client)
            else:
                namespaces.close(socket)
        await asyncio.sleep(0)
    return {"sockets": sum(socket.state is State.CLOSED for socket in sockets)}


async def _call(namespaces: Namespaces, body: Body) -> Body:
    """Ask the clients, and wait until each has answered, or left, or the time is over."""
    survey = _Survey(namespaces)
    event, *args = unpack(body["packed"])
    for batch in in_turns(matching(namespaces.node.members, body), AT_ONCE):
        for socket in batch:
            survey.ask(socket, event, args)
        await asyncio.sleep(0)
    await survey.finish(body["timeout"])
    return {"answers": survey.answers, "silent": survey.silent}


class _Survey:
    """One question to many clients."""

    def __init__(self, namespaces: Namespaces) -> None:
        self.answers: dict[str, Any] = {}
        self.silent: list[str] = []
        self._namespaces = namespaces
        #: Who is asked, with the id of the ack that we wait for.
        self._waiting: dict[Socket, int] = {}
        self._changed = asyncio.Event()

    def ask(self, socket: Socket, event: str, args: Sequence[Any]) -> None:
        if socket.state is not State.CONNECTED:
            self.silent.append(socket.sid)
            return
        answered = functools.partial(self._answered, socket)
        lost = functools.partial(self._lost, socket)
        self._waiting[socket] = self._namespaces.node.ask(socket, event, args, answered, lost)

    async def finish(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while self._waiting:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            for socket, ack_id in self._waiting.items():
                socket.answered(ack_id)  # what comes now comes too late
                self.silent.append(socket.sid)

    def _answered(self, socket: Socket, *values: Any) -> None:
        if self._waiting.pop(socket, None) is not None:
            self.answers[socket.sid] = pack(values)
            self._changed.set()

    def _lost(self, socket: Socket) -> None:
        if self._waiting.pop(socket, None) is not None:
            self.silent.append(socket.sid)
            self._changed.set()
