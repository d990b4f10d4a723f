"""Sockets that are coming back: what they missed, and what is emitted meanwhile."""

import asyncio
from collections import deque

from ..metrics.counters import count, counts
from ..node import emissions
from ..node.emissions import Emission
from ..node.rooms import of_user
from ..node.sockets import Socket, State
from .positions import Position, to_text
from .sessions import EVERYONE, Session
from .store import Entry, Key, Store

#: Seconds between two looks whether a client has taken what was sent.
TICK = 0.02


class CatchingUp:
    """One socket, from when its session was taken until it is a member like any other."""

    def __init__(self, socket: Socket, session: Session, limit: int) -> None:
        self.socket = socket
        self.session = session
        self._limit = limit
        #: Those that it was in, also if it is not sure yet that it may be there again.
        self._rooms = session.rooms.keys()
        self._held: deque[Entry] = deque()
        self._upto: Position = 0
        #: The last event that it missed of each room.
        self._last: dict[str | None, Position] = {}
        self.sent = 0

    def hold(self, position: Position, emission: Emission) -> None:
        """An event came meanwhile."""
        to = emission.to
        if position > self._upto and (to is None or not self._rooms.isdisjoint(to)):
            self._held.append(Entry(position, emission))
            if len(self._held) > self._limit:
                self._held.clear()
                self.socket.connection.fail(
                    "transport error", "more was emitted than may wait while its client came back"
                )

    def found(self, entries: list[Entry], upto: Position) -> None:
        """These were missed; there are no others up to a position."""
        self._upto = upto
        for position, emission in entries:
            to = (EVERYONE,) if emission.to is None else emission.to
            self._last.update((room, position) for room in to if room in self._rooms)
        self._held = deque([*entries, *(held for held in self._held if held.position > upto)])

    async def send(self, store: Store) -> None:
        """Send what was missed, and what came meanwhile, as fast as the client takes it.

        Nothing is awaited after the last event.
        """
        while self.socket.state is State.CONNECTING:
            if self._is_crowded:
                await asyncio.sleep(TICK)
            elif self._held:
                self._send_next()
            elif self._is_ahead(store):
                # Of what is heard here: a member would get these events once more.
                namespace = self.session.namespace
                keys: list[Key] = [(namespace, room) for room in self._last]
                await store.until(namespace, max(self._last.values()), keys)
            else:
                break
        count("recovered.events", self.sent)

    def _is_ahead(self, store: Store) -> bool:
        namespace = self.session.namespace
        return any(store.position((namespace, room)) < at for room, at in self._last.items())

    def _send_next(self) -> None:
        entry = self._held.popleft()
        if concerns(self.socket, entry.emission):
            send(self.socket, entry)
            self.sent += 1

    @property
    def _is_crowded(self) -> bool:
        connection = self.socket.connection
        limits = connection.sessions.limits
        return (
            connection.buffered_messages > limits.outbox_messages // 2
            or connection.buffered_bytes > limits.outbox_bytes // 2
        )


def send(socket: Socket, entry: Entry) -> None:
    """Send one client an event with its offset."""
    parser = emissions.parser()
    messages = parser.append(entry.emission.messages, to_text(entry.position))
    counts["events.out"] += socket.send(messages)


def concerns(socket: Socket, emission: Emission) -> bool:
    """Whether an event is for a socket, which is no member yet."""
    to, skip = emission.to, emission.skip
    if skip and (socket.sid in skip or not skip.isdisjoint(socket.rooms)):
        return False
    actor = emission.actor
    if actor is not None and socket.sid in actor.sids and of_user(socket.user) == actor.user:
        return False
    return to is None or any(room == socket.sid or room in socket.rooms for room in to)
