"""Sockets that are not yet told what they are to be told first, and what is emitted meanwhile."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from ..metrics.counters import counts
from ..node import emissions
from ..node.emissions import Emission
from ..node.rooms import of_user
from ..node.sockets import Socket, State
from .positions import Position, to_text
from .sessions import EVERYONE, Session
from .store import Entry, Key, Missed, Store

#: Seconds between two looks whether a client has taken what was sent.
TICK = 0.02


class CatchingUp:
    """One socket, from when its session was taken until it is a member like any other."""

    #: In which state of the socket it goes on.
    _state = State.CONNECTING

    def __init__(
        self, socket: Socket, session: Session, limit: int, came_with: Position | None = None
    ) -> None:
        self.socket = socket
        self.session = session
        #: How many events may be emitted meanwhile, and how many may wait with those from before.
        self._limit = self._bound = limit
        #: Those that it was in, also if it is not sure yet that it may be there again.
        self._rooms = session.rooms.keys()
        self._held: deque[Entry] = deque()
        self._upto: Position = 0
        #: The last event of each room that its node may not have delivered yet.
        self._last: dict[str | None, Position] = {}
        self.sent = 0
        #: Whether nobody wants to be told any more.
        self.is_over = False
        #: The offset with which its client came back, if it did.
        self._came_with = came_with
        #: Whether something was awaited after the first event.
        self.was_interrupted = False

    def hold(self, position: Position, emission: Emission) -> None:
        """An event came meanwhile."""
        if position > self._upto and self._may_concern(emission):
            if emission.retain is not None and not is_skipped(self.socket, emission):
                self._held = superseded(self._held, emission)
            self._held.append(Entry(position, emission))
            if len(self._held) > self._bound:
                self._held.clear()
                self.socket.connection.fail(
                    "transport error", "more was emitted than may wait while its client came back"
                )

    def found(self, entries: list[Entry], read: Missed) -> None:
        """These were missed, of those that were read of the log."""
        self._upto = read.upto
        for position, emission in read.entries:
            to = (EVERYONE,) if emission.to is None else emission.to
            self._last.update((room, position) for room in to if room in self._rooms)
        later = (held for held in self._held if held.position > read.upto)
        self._held = deque([*entries, *later])
        self._bound = self._limit + len(self._held)

    def found_past(self, entries: Iterable[Entry]) -> None:
        """These were said before the socket joined."""
        found = {entry.position: entry for entry in (*entries, *self._held)}
        known = [found[at] for at in sorted(found)]
        self._held = newest([entry for entry in known if self._concerns(entry.emission)])
        self._bound = self._limit + len(self._held)

    async def send(self, store: Store) -> None:
        """Send what was missed, and what came meanwhile, as fast as the client takes it.

        Nothing is awaited after the last event.
        """
        while self.socket.state is self._state and not self.is_over:
            if self._is_crowded:
                self.was_interrupted = self.sent > 0
                await asyncio.sleep(TICK)
            elif self._held:
                self._send_next()
            elif self._is_ahead(store):
                # Of what is heard here: a member would get these events once more.
                self.was_interrupted = self.sent > 0
                namespace = self.session.namespace
                keys: list[Key] = [(namespace, room) for room in self._last]
                await store.until(namespace, max(self._last.values()), keys)
            else:
                break

    def _may_concern(self, emission: Emission) -> bool:
        to = emission.to
        return to is None or not self._rooms.isdisjoint(to)

    def _concerns(self, emission: Emission) -> bool:
        return concerns(self.socket, emission)

    def _send(self, entry: Entry) -> None:
        # The client comes back to the last that it got, whatever room that was said in.
        offset = self.session.sent = max(self.session.sent, entry.position)
        send(self.socket, entry, offset)

    def _is_ahead(self, store: Store) -> bool:
        namespace = self.session.namespace
        return any(store.position((namespace, room)) < at for room, at in self._last.items())

    def _send_next(self) -> None:
        entry = self._held.popleft()
        if self._concerns(entry.emission):
            if self._came_with is not None:
                self.session.tried = self._came_with
            self._send(entry)
            self.sent += 1

    @property
    def _is_crowded(self) -> bool:
        connection = self.socket.connection
        limits = connection.sessions.limits
        return (
            connection.buffered_messages > limits.outbox_messages // 2
            or connection.buffered_bytes > limits.outbox_bytes // 2
        )


class Joining(CatchingUp):
    """One connected socket, while it is told what a room said that it joins.

    What is said in its other rooms goes on reaching it, so all that it is told of this one has the
    offset up to which it has all of theirs.
    """

    _state = State.CONNECTED

    def __init__(
        self,
        socket: Socket,
        session: Session,
        limit: int,
        room: str,
        reached: Callable[[], Position],
    ) -> None:
        super().__init__(socket, session, limit)
        self.room = room
        #: Up to where its other rooms were read, and had nothing more to say.
        self.upto: Position = 0
        self._reached = reached

    def _may_concern(self, emission: Emission) -> bool:
        socket, to = self.socket, emission.to
        if to is None or self.room not in to:
            return False
        # Else it came by way of that room just now.
        return not any(room == socket.sid or room in socket.rooms for room in to)

    def _concerns(self, emission: Emission) -> bool:
        return not is_skipped(self.socket, emission) and self.room not in emission.skip

    def _send(self, entry: Entry) -> None:
        offset = self.session.sent = max(self.session.sent, self.upto, self._reached())
        send(self.socket, entry, offset)


def send(socket: Socket, entry: Entry, offset: Position) -> None:
    """Send one client an event."""
    parser = emissions.parser()
    messages = parser.append(entry.emission.messages, to_text(offset))
    counts["events.out"] += socket.send(messages)


def concerns(socket: Socket, emission: Emission) -> bool:
    """Whether an event is for a socket, which is no member yet."""
    if is_skipped(socket, emission):
        return False
    to = emission.to
    return to is None or any(room == socket.sid or room in socket.rooms for room in to)


def is_skipped(socket: Socket, emission: Emission) -> bool:
    """Whether an event is to leave a socket out."""
    skip, actor = emission.skip, emission.actor
    if skip and (socket.sid in skip or not skip.isdisjoint(socket.rooms)):
        return True
    if actor is None:
        return False
    return socket.sid in actor.sids and of_user(socket.user) == actor.user


def superseded(entries: Iterable[Entry], by: Emission) -> deque[Entry]:
    """Entries without those of the same key."""
    return deque(entry for entry in entries if entry.emission.supersedes != by.supersedes)


def newest(entries: list[Entry]) -> deque[Entry]:
    """Entries, in order, without those that a later one supersedes."""
    found: deque[Entry] = deque()
    seen = set()
    for entry in reversed(entries):
        what = entry.emission.supersedes
        if what is None or what not in seen:
            found.appendleft(entry)
            seen.add(what)
    return found
