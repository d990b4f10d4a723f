"""The sockets and rooms of this process, and the delivery to them. Awaits nothing."""

import time
from collections.abc import Callable, Collection
from typing import Any

from ..metrics.counters import counts
from ..metrics.rates import RoomRates
from ..protocol.frames import Frames
from ..protocol.packets import Payload
from .actors import Actor
from .emissions import Emission
from .rooms import is_sid, of_user
from .sockets import Socket

_NOBODY: frozenset[Socket] = frozenset()

#: Hears of an emission; must neither raise nor block.
Tap = Callable[[Emission], None]


class Members:
    """Who is connected here, and in which rooms. A change costs only the rooms of one socket."""

    def __init__(self) -> None:
        self.sockets: dict[str, Socket] = {}
        self._everyone: dict[str, set[Socket]] = {}
        self._rooms: dict[tuple[str, str], set[Socket]] = {}
        self._rates = RoomRates(time.monotonic())
        #: How often a socket came, went, joined or left, or an event was delivered to a room: so
        #: that a page can tell that it is stale.
        self.changes = 0
        #: Who listens to a room, or with None to what is for a whole namespace. Mostly empty.
        self._taps: dict[tuple[str, str | None], list[Tap]] = {}
        #: Hears of emissions that have no recipient here; in development only.
        self.unheard: Tap | None = None

    def add(self, socket: Socket) -> None:
        """A socket was accepted: it is in its namespace, and in its rooms."""
        self.changes += 1
        self.sockets[socket.sid] = socket
        self._everyone.setdefault(socket.namespace, set()).add(socket)
        for room in socket.rooms:
            self._rooms.setdefault((socket.namespace, room), set()).add(socket)

    def remove(self, socket: Socket) -> None:
        """A socket is gone."""
        self.changes += 1
        del self.sockets[socket.sid]
        for room in socket.rooms:
            self._discard(self._rooms, (socket.namespace, room), socket)
        self._discard(self._everyone, socket.namespace, socket)

    def join(self, socket: Socket, room: str) -> None:
        self.changes += 1
        socket.rooms.add(room)
        self._rooms.setdefault((socket.namespace, room), set()).add(socket)

    def leave(self, socket: Socket, room: str) -> None:
        self.changes += 1
        socket.rooms.discard(room)
        self._discard(self._rooms, (socket.namespace, room), socket)

    def namespaces(self) -> Collection[str]:
        """The namespaces that have sockets here."""
        return self._everyone.keys()

    def population(self) -> dict[str, int]:
        """How many sockets each namespace has here; from any thread."""
        return {name: len(self._everyone.get(name, ())) for name in list(self._everyone)}

    @property
    def room_count(self) -> int:
        """How many rooms have members here."""
        return len(self._rooms)

    def members(self, namespace: str, to: tuple[str, ...] | None) -> Collection[Socket]:
        """The sockets here that are in any of the rooms, or have one of the sids; each once."""
        if to is None:
            return self._everyone.get(namespace, _NOBODY)
        if len(to) == 1:
            return self._room(namespace, to[0])
        return set().union(*(self._room(namespace, room) for room in to))

    def matching(self, namespace: str | None, to: tuple[str, ...] | None) -> list[Socket]:
        """The same in one namespace or, for None, in each; a list of the moment."""
        names = tuple(self._everyone) if namespace is None else (namespace,)
        return [socket for name in names for socket in self.members(name, to)]

    def rooms(self) -> list[tuple[tuple[str, str], Collection[Socket]]]:
        """Each room as (namespace, name), with its sockets; a list of the moment."""
        return list(self._rooms.items())

    def events_per_minute(self, namespace: str, room: str) -> int:
        """About how many events were emitted to a room in the last minute."""
        return self._rates.per_minute((namespace, room), time.monotonic())

    def tap(self, namespace: str, room: str | None, tap: Tap) -> None:
        """Let `tap` hear what is emitted to a room, or with None to a whole namespace."""
        self._taps.setdefault((namespace, room), []).append(tap)

    def untap(self, namespace: str, room: str | None, tap: Tap) -> None:
        """Take a tap back."""
        taps = self._taps.get((namespace, room), [])
        if tap in taps:
            taps.remove(tap)
        if not taps:
            self._taps.pop((namespace, room), None)

    def deliver(self, emission: Emission, messages: tuple[Payload, ...] | None = None) -> int:
        """Send an emission to its recipients here, and return how many there were.

        `messages` are what the clients get, where that is more than was emitted.
        """
        if self._taps:
            self._let_hear(emission)
        members = self.members(emission.namespace, emission.to)
        if not members:
            if self.unheard is not None:
                self.unheard(emission)
            return 0
        self.changes += 1
        if emission.to is not None:
            self._count_event(emission.namespace, emission.to)
        frames = Frames(emission.messages if messages is None else messages)
        if emission.retain is not None:
            frames.supersedes = emission.supersedes
        skip, volatile = emission.skip, emission.volatile
        if skip:
            skip = self._skipped(emission.namespace, skip)
        if emission.actor is not None:
            skip |= self._pages_of(emission.actor)
        sent = 0
        # No copy: a send never calls back, so the rooms stay as they are meanwhile.
        for socket in members:
            if skip and socket.sid in skip:
                continue
            socket.connection.send(frames, volatile)
            sent += 1
        counts["events.out"] += sent
        return sent

    def _skipped(self, namespace: str, skip: frozenset[str]) -> frozenset[str]:
        """Sids, and with them those of the sockets here in rooms that are to be left out."""
        rooms = [name for name in skip if not is_sid(name)]
        if not rooms:
            return skip
        return skip.union(*({s.sid for s in self._room(namespace, room)} for room in rooms))

    def _pages_of(self, actor: Actor) -> set[str]:
        """The sids of the sockets here that an actor named and that are its own user's."""
        here = self.sockets.keys() & actor.sids
        return {sid for sid in here if of_user(self.sockets[sid].user) == actor.user}

    def _let_hear(self, emission: Emission) -> None:
        heard_in = (None,) if emission.to is None else emission.to
        hearers = (
            tap for room in heard_in for tap in self._taps.get((emission.namespace, room), ())
        )
        for tap in dict.fromkeys(hearers):  # one in two of the rooms hears it once
            tap(emission)

    def _count_event(self, namespace: str, to: tuple[str, ...]) -> None:
        now = time.monotonic()
        for name in to:
            room = (namespace, name)
            if room in self._rooms:  # a sid is none, nor is a room without members here
                self._rates.count(room, now)

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
