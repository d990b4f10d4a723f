"""What a room said before a socket joined it, and the newest values of its keys."""

from collections.abc import Collection, Mapping

from ..exceptions import ChannelLayerError
from ..metrics.counters import count
from ..node.sockets import Socket, State
from .catching import CatchingUp, Joining
from .kept import Kept
from .options import limit_of
from .positions import Position
from .sessions import EVERYONE, Session
from .store import Entry, Past, Wanted


class Newcomers:
    """Tells the sockets of one node the past of rooms that are new to them."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    # Sockets that are connecting

    async def look_back(
        self, socket: Socket, session: Session, rooms: Collection[str | None]
    ) -> bool:
        """Get what a connecting socket is told of rooms that are new to it; or False."""
        store, namespace = self._kept.store, session.namespace
        wants = self._kept.wants.get(socket, {})
        asked = {room: wants.get(room) for room in rooms if room != session.sid}
        keys = [(namespace, room) for room in asked]
        if not any(asked.values()) and not store.may_have_values(keys):
            return False
        known = {room: at for room, at in session.rooms.items() if room not in asked}
        catching = self._kept.hold(CatchingUp(socket, session, limit_of(namespace)))
        try:
            past = await self._past(session, asked)
        except ChannelLayerError:
            self._kept.stop_catching(socket)
            raise
        self._found(catching, past, known)
        return True

    async def tell(self, socket: Socket) -> None:
        """Tell it. Nothing is awaited after the last event."""
        kept = self._kept
        catching = kept.catching_of(socket)
        if catching is not None:
            catching.sent = 0
            await catching.send(kept.store)
            count("history.events", catching.sent)
            kept.stop_catching(socket)
        session = kept.sessions.get(socket)
        if session is not None:
            for room in socket.rooms:  # it may have been put into one meanwhile
                session.rooms.setdefault(room, kept.store.position((session.namespace, room)))

    # Sockets that are connected

    async def enter(self, socket: Socket, room: str, want: Wanted | None) -> None:
        """Tell a socket what a room said that it is about to join, as above."""
        kept, store = self._kept, self._kept.store
        namespace, session = socket.namespace, kept.sessions.get(socket)
        if session is None:
            return
        if want is None and not store.may_have_values([(namespace, room)]):
            return
        joining = Joining(
            socket, session, limit_of(namespace), room, lambda: store.reached(namespace)
        )
        kept.hold(joining)
        told = False
        try:
            await kept.hear(socket, [(namespace, room)])
            past = await self._past(session, {room: want})
            if any(found.entries for found in past.values()):
                joining.upto = await self._upto(socket, session, past[room].entries[-1].position)
            known = dict(session.rooms)
            self._found(joining, past, known)
            await joining.send(store)
            if session.sent > store.reached(namespace):
                kept.ahead.add(socket)
            count("history.events", joining.sent)
            told = not joining.is_over
        finally:
            kept.release(joining)
            if not told:
                kept.ignore(socket, (namespace, room))
        if told and socket.state is State.CONNECTED and room not in session.rooms:
            joined = store.position((namespace, room))
            said = [entry.position - 1 for found in past.values() for entry in found.entries[:1]]
            session.rooms[room] = min([joined, *said])

    async def _upto(self, socket: Socket, session: Session, last: Position) -> Position:
        """Up to where a socket has everything of its rooms, once it has what is under way.

        What a room said may be later than all that was delivered here, where no other room had
        anything to say since. With an offset from before, a client that comes back would be told
        once more.
        """
        store, namespace = self._kept.store, session.namespace
        if store.reached(namespace) >= last:
            return 0
        rooms = (EVERYONE, session.sid, *socket.rooms)
        try:
            missed = await store.missed(
                namespace, {room: store.position((namespace, room)) for room in rooms}
            )
        except ChannelLayerError:
            return 0
        if missed.entries:
            under_way = missed.entries[-1].position
            await store.until(namespace, under_way, [(namespace, room) for room in rooms])
            if store.reached(namespace) < under_way:
                return 0
        return missed.upto if missed.whole else 0

    def turn_back(self, socket: Socket, room: str) -> None:
        """A socket leaves a room that it is about to join."""
        joining = self._kept.joining(socket, room)
        if joining is not None:
            joining.is_over = True

    async def _past(
        self, session: Session, rooms: Mapping[str | None, Wanted | None]
    ) -> Mapping[str | None, Past]:
        try:
            return await self._kept.store.past(session.namespace, rooms)
        except ChannelLayerError:
            if any(rooms.values()):
                raise
            count("history.failed")
            return {}  # it did not ask: only values would have come

    def _found(
        self,
        catching: CatchingUp,
        past: Mapping[str | None, Past],
        known: Mapping[str | None, Position],
    ) -> None:
        """Past events are told, but for those that came by way of other rooms already."""
        rooms = catching.session.rooms
        for room, (entries, values) in past.items():
            if entries and room in rooms:
                rooms[room] = min(rooms[room], entries[0].position - 1)
            catching.found_past(
                Entry(position, emission)
                for position, emission in (*entries, *values)
                if not any(position > known.get(to, position) for to in emission.to or (None,))
            )
