"""Joins that take a while, because a socket is told what a room said before it is in it."""

import asyncio
from typing import Any

from ..cluster.memberships import Memberships
from .keeping import Keeper
from .members import Members
from .sockets import Socket, State


class Entering:
    """One socket on its way into one room."""

    __slots__ = ("done", "left")

    def __init__(self) -> None:
        #: Whether it was taken out again before it was in.
        self.left = False
        self.done = asyncio.Event()


class Entrance:
    """Who is on the way into which rooms."""

    def __init__(self, members: Members, memberships: Memberships) -> None:
        self._members = members
        self._memberships = memberships
        self._under_way: dict[Socket, dict[str, Entering]] = {}

    def number(self, socket: Socket) -> int:
        """How many rooms a socket is about to enter."""
        return len(self._under_way.get(socket, ()))

    async def wait(self, socket: Socket, room: str) -> None:
        """Wait while the same socket is on its way into the same room."""
        while (entering := self._under_way.get(socket, {}).get(room)) is not None:
            await entering.done.wait()

    async def enter(self, keeper: Keeper, socket: Socket, room: str, want: Any) -> None:
        """Put a connected socket into a room of a namespace with a log.

        First the room is heard, then the socket is told what the room said, and then it is a
        member. Raises what the keeper does, and the socket is not in then.
        """
        carries, groups = keeper.carries(socket.namespace), [(socket.namespace, room)]
        if not carries:
            await self._memberships.subscribe(groups)
        entered = False
        entering = self._begin(socket, room)
        try:
            await keeper.enter(socket, room, want)
            if socket.state is State.CONNECTED and not entering.left:
                self._members.join(socket, room)
                entered = True
        finally:
            self._end(socket, room)
            if not entered and not carries:
                self._memberships.unsubscribe(groups)
        if entered:
            await keeper.entered(socket, room)

    def into(self, room: str, namespace: str | None) -> list[Socket]:
        """The sockets of a namespace, or of any, that are on the way into a room."""
        return [
            socket
            for socket, rooms in self._under_way.items()
            if room in rooms and namespace in (None, socket.namespace)
        ]

    def leave(self, socket: Socket, room: str) -> bool:
        """Turn a socket back that is on its way; False if it is not."""
        entering = self._under_way.get(socket, {}).get(room)
        if entering is None:
            return False
        entering.left = True
        return True

    def _begin(self, socket: Socket, room: str) -> Entering:
        entering = Entering()
        self._under_way.setdefault(socket, {})[room] = entering
        return entering

    def _end(self, socket: Socket, room: str) -> None:
        rooms = self._under_way[socket]
        rooms.pop(room).done.set()
        if not rooms:
            del self._under_way[socket]
