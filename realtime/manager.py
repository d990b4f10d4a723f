"""The sockets and rooms of this process, and the delivery to them. Awaits nothing."""

from collections.abc import Collection
from typing import Any

from .emissions import Emission
from .frames import Frames
from .sockets import Socket

_NOBODY: frozenset[Socket] = frozenset()


class Manager:
    """Who is connected here, and in which rooms. Each change costs the rooms of one socket."""

    def __init__(self) -> None:
        self.sockets: dict[str, Socket] = {}
        self._everyone: dict[str, set[Socket]] = {}
        self._rooms: dict[tuple[str, str], set[Socket]] = {}

    def add(self, socket: Socket) -> None:
        """A socket was accepted: it is in its namespace, and in its rooms."""
        self.sockets[socket.sid] = socket
        self._everyone.setdefault(socket.namespace, set()).add(socket)
        for room in socket.rooms:
            self._rooms.setdefault((socket.namespace, room), set()).add(socket)

    def remove(self, socket: Socket) -> None:
        """A socket is gone."""
        del self.sockets[socket.sid]
        for room in socket.rooms:
            self._discard(self._rooms, (socket.namespace, room), socket)
        self._discard(self._everyone, socket.namespace, socket)

    def join(self, socket: Socket, room: str) -> None:
        socket.rooms.add(room)
        self._rooms.setdefault((socket.namespace, room), set()).add(socket)

    def leave(self, socket: Socket, room: str) -> None:
        socket.rooms.discard(room)
        self._discard(self._rooms, (socket.namespace, room), socket)

    def namespaces(self) -> Collection[str]:
        """The namespaces that have sockets here."""
        return self._everyone.keys()

    def members(self, namespace: str, to: tuple[str, ...] | None) -> Collection[Socket]:
        """The sockets here that are in any of the rooms, or have one of the sids; each once."""
        if to is None:
            return self._everyone.get(namespace, _NOBODY)
        if len(to) == 1:
            return self._room(namespace, to[0])
        return set().union(*(self._room(namespace, room) for room in to))

    def deliver(self, emission: Emission) -> int:
        """Send an emission to its recipients here, and return how many there were."""
        members = self.members(emission.namespace, emission.to)
        if not members:
            return 0
        frames = Frames(emission.messages)
        skip, volatile = emission.skip, emission.volatile
        sent = 0
        # No copy: a send never calls back, so the rooms stay as they are meanwhile.
        for socket in members:
            if skip and socket.sid in skip:
                continue
            socket.connection.send(frames, volatile)
            sent += 1
        return sent

    def _room(self, namespace: str, room: str) -> Collection[Socket]:
        socket = self.sockets.get(room)
        if socket is not None:
            return (socket,) if socket.namespace == namespace else _NOBODY
        return self._rooms.get((namespace, room), _NOBODY)

    @staticmethod
    def _discard(index: dict[Any, set[Socket]], key: Any, socket: Socket) -> None:
        members = index.get(key)
        if members is not None:
            members.discard(socket)
            if not members:
                del index[key]
