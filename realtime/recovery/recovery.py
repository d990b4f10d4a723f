"""Lets the clients of one node come back: what was lost with a connection is given to the next."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from ..aio.tasks import Tasks
from ..conf import settings
from ..exceptions import ChannelLayerError
from ..logs import brief, facts
from ..metrics import counters as metrics
from ..metrics.counters import count
from ..node import emissions
from ..node.emissions import Emission
from ..node.inboxes import ASGIMessage
from ..node.keeping import Keeper, Receive, Recovered
from ..node.node import ServingNode
from ..node.sockets import Socket, State
from ..server.namespaces import Namespaces
from .catching import CatchingUp, Joining
from .choice import store_for
from .floors import Floors
from .holders import Holders
from .memory import MemoryStore
from .options import REFRESH, options_of
from .outage import PATIENCE, RETRY, Outage
from .positions import Position, to_text
from .sessions import EVERYONE, FINAL, Claim, Session, new_pid, read, user_of
from .store import Entry, Key, Past, Refused, Store, Wanted

Catching = TypeVar("Catching", bound=CatchingUp)

logger = logging.getLogger("realtime.recovery")


class Recovery(Keeper):
    """The logs and sessions of one node's sockets."""

    def __init__(self, node: ServingNode, namespaces: Namespaces) -> None:
        self._node = node
        self._namespaces = namespaces
        #: Another one from the start on, where there is a Redis.
        self._store: Store = MemoryStore(node.wheel, self._deliver)
        self.sessions: dict[Socket, Session] = {}
        self._holders = Holders(node, namespaces, self.sessions, self._settle)
        #: Sockets that are coming back, by namespace. Mostly empty.
        self._catching: dict[str, list[CatchingUp]] = {}
        self._floors = Floors()
        self._outage = Outage()
        self._tasks = Tasks()
        #: Sockets whose clients came back in vain.
        self._unrecovered: set[Socket] = set()
        #: Rooms that are heard for a socket, where the store has to be told of them.
        self._heard: dict[Socket, set[Key]] = {}
        #: Rooms in which sockets that have no session yet are to be present.
        self._wanted: dict[Socket, set[str]] = {}
        #: Likewise the rooms that rules let them into.
        self._ruled: dict[Socket, dict[str, list[str]]] = {}
        #: What connecting sockets are to be told of their rooms.
        self._wants: dict[Socket, dict[str | None, Wanted]] = {}

    def start(self) -> None:
        node = self._node
        self._store = store_for(
            node.bus, node.wheel, self._deliver, self.deliver_unlogged, self._lost
        )
        self._store.start()
        metrics.sources.append(self._store.readings)
        self._tasks.start(self._keep_up())

    async def stop(self) -> None:
        await self._tasks.end()
        if self._store.readings in metrics.sources:
            metrics.sources.remove(self._store.readings)
        await self._store.stop()

    async def _settle(self) -> None:
        await self._store.settle()

    def _lost(self, keys: Collection[Key], count: int) -> None:
        for callback in self._node.cluster.on_lost:
            callback(keys, count)

    async def _keep_up(self) -> None:
        """Let the sessions of connected sockets last, and tell what their clients surely have."""
        while True:
            await asyncio.sleep(REFRESH)
            sessions = dict(self.sessions)
            self._floors.look(self._store, sessions, self._node.wheel.time())
            connected = {s: k for k, s in sessions.items() if k.state is State.CONNECTED}
            for session in await self._store.refresh(connected):
                socket = connected[session]
                if socket.state is State.CONNECTED and self.sessions.get(socket) is session:
                    self._namespaces.send_away(socket, "transport close")

    # Emissions

    def covers(self, namespace: str) -> bool:
        return options_of(namespace) is not None  # at each emit: the options are remembered

    def carries(self, namespace: str) -> bool:
        return self._store.carries

    async def publish(self, emission: Emission) -> None:
        if emission.volatile:
            self.deliver_unlogged(emission)
            rest = self._store.shout(emission)
        else:
            rest = self._store.publish(emission)
        if rest is not None:
            await rest
        if not self._store.carries and self._node.cluster.reaches_others:
            await self._node.spread(emission)

    def heard(self, emission: Emission) -> None:
        if emission.volatile or self._store.carries:
            self.deliver_unlogged(emission)
        else:
            self._store.publish(emission)

    def _deliver(self, position: Position, emission: Emission) -> None:
        messages = emissions.parser().append(emission.messages, to_text(position))
        self._node.members.deliver(emission, messages)
        if self._catching:
            for catching in self._catching.get(emission.namespace, ()):
                catching.hold(position, emission)

    def deliver_unlogged(self, emission: Emission) -> None:
        # The stock client takes a text that comes last, the event's name too, for an offset. It
        # gets a true one: its socket has been sent all up to there.
        messages = emission.messages
        parser = emissions.parser()
        if parser.ends_in_text(messages):
            position = self._store.reached(emission.namespace)
            messages = parser.append(messages, to_text(position))
        self._node.members.deliver(emission, messages)

    # A client comes back

    def read(self, auth: dict[str, Any] | None) -> tuple[dict[str, Any] | None, Claim | None]:
        return read(auth)

    async def recover(self, socket: Socket, claim: Claim) -> Recovered | None:
        found = await self._taken_in_time(socket, claim)
        if socket.state is not State.CONNECTING:  # nobody is there to be told
            return None
        if isinstance(found, Refused):
            self._refuse(socket, found.why)
            return None
        found.recovered = True
        return self._give_back(socket, found)

    async def _taken_in_time(self, socket: Socket, claim: Claim) -> Session | Refused:
        """As `_taken`; while the store is away the client waits, and then has to come again."""
        time, options = self._node.wheel.time, options_of(socket.namespace)
        patience = 0.0 if options is None else min(options.window, PATIENCE)
        end = time() + settings.EMIT_TIMEOUT
        while True:
            try:
                found = await self._taken(socket, claim)
            except ChannelLayerError as error:
                if self._outage.failed(time()) >= patience:
                    return Refused(f"the store of sessions is away ({brief(error)})")
                if time() >= end:
                    self._put_off(socket, error)
                if socket.state is not State.CONNECTING:
                    return Refused("it left again")
                await asyncio.sleep(RETRY)
            else:
                self._outage.ended()
                return found

    def _put_off(self, socket: Socket, error: ChannelLayerError) -> None:
        count("recoveries.put_off")
        logger.warning(
            "closed the connection of a client that came back to %s while the store of sessions is"
            " away, for it to try again: %s",
            socket.namespace,
            brief(error),
            extra=facts(sid=socket.sid, namespace=socket.namespace),
        )
        socket.connection.close("transport error")

    async def _taken(self, socket: Socket, claim: Claim) -> Session | Refused:
        """The session of a client that came back, with all that it missed."""
        if claim.garbled:
            return Refused("its offset is none")
        session = await self._holders.take(self._store, claim.pid, socket)
        if isinstance(session, Refused):
            return session
        # Nothing was awaited since it was taken: `Holders` counts on it.
        self._holders.displace(session, socket)
        if socket.state is not State.CONNECTING:
            self._store.release(session)
            return Refused("it left again")
        self.sessions[socket] = session
        try:
            whole = await self._catch(socket, session, claim)
        except BaseException:
            self.refused(socket)
            raise
        if socket not in self.sessions:  # it left meanwhile
            return Refused("it left again")
        if not whole:
            self._forget(socket)
            self._store.drop(session)
            return Refused("the log does not reach back so far")
        return session

    async def _catch(self, socket: Socket, session: Session, claim: Claim) -> bool:
        """Get what was missed, and hold what comes from now on; False if the log lacks some."""
        namespace = socket.namespace
        limit = _limit(namespace)
        catching = self._hold(CatchingUp(socket, session, limit))
        await self._hear(socket, [(namespace, room) for room in session.rooms])
        session.sent = max(session.floor, claim.offset or 0)
        since = session.since(claim.offset)
        # This node may be behind what the client got elsewhere. What is yet to be delivered here is
        # asked for as well: it must have been before the socket is a member, which would get it.
        behind = {
            room: min(at, self._store.position((namespace, room))) for room, at in since.items()
        }
        values = min([session.sent, *behind.values()])
        missed = await self._store.missed(namespace, behind, claim.offset or 0, values)
        news = [entry for entry in missed.entries if session.lacks(*entry, since)]
        if not missed.whole or len(news) > limit:
            return False
        catching.found(news, missed)
        return True

    def _refuse(self, socket: Socket, why: str) -> None:
        self._unrecovered.add(socket)
        count("recoveries.refused")
        logger.info(
            "a client that came back to %s is as good as new: %s",
            socket.namespace,
            why,
            extra=facts(sid=socket.sid, namespace=socket.namespace),
        )

    def _give_back(self, socket: Socket, session: Session) -> Recovered:
        ruled, session.ruled = session.ruled, {}
        not_yet = {EVERYONE, session.sid, *ruled, *(room for of in ruled.values() for room in of)}
        self._namespaces.rename(socket, session.sid)
        socket.rooms |= {room for room in session.rooms if room is not None} - not_yet
        socket.data.update(session.data)
        for room in session.presence & socket.rooms:
            for follower in self._node.followers:
                follower.wants_presence(socket, room)
        return Recovered(session.sid, tuple(ruled))

    async def prepare(self, socket: Socket) -> None:
        if self._store.carries:
            names = [EVERYONE, socket.sid, *socket.rooms]
            await self._hear(socket, [(socket.namespace, room) for room in names])

    async def _hear(self, socket: Socket, keys: Collection[Key]) -> None:
        """Hear these rooms for a socket, as well."""
        if self._store.carries:
            heard = self._heard.setdefault(socket, set())
            new = [key for key in keys if key not in heard]
            heard.update(new)
            await self._store.hear(new)

    async def catch_up(self, socket: Socket) -> dict[str, Any]:
        catching = self._catching_of(socket)
        if catching is not None:
            await catching.send(self._store)
            count("recovered.events", catching.sent)
            if socket.state is not State.CONNECTING:
                return {}
            self._stop_catching(socket)
        session = self.sessions.get(socket)
        if session is None:
            session = Session(
                pid=new_pid(), sid=socket.sid, namespace=socket.namespace, user=user_of(socket)
            )
            self.sessions[socket] = session
        elif session.user != user_of(socket):  # `connect` made another one of it
            self._part(socket, session)
            return {}
        rooms = (EVERYONE, session.sid, *socket.rooms)
        new = [room for room in rooms if room not in session.rooms]
        session.rooms = {room: self._joined(session, room) for room in rooms}
        session.data, session.node = socket.data, self._node.id
        session.connected_at = self._node.wheel.time()
        await self._look_back(socket, session, new)
        return {"pid": session.pid}

    # What was said before

    def wants_past(self, socket: Socket, room: str | None, want: Wanted) -> None:
        self._wants.setdefault(socket, {})[room] = want

    def has_past_for(self, socket: Socket) -> bool:
        return self._catching_of(socket) is not None

    async def tell_past(self, socket: Socket) -> None:
        catching = self._catching_of(socket)
        if catching is not None:
            catching.sent = 0
            await catching.send(self._store)
            count("history.events", catching.sent)
            self._stop_catching(socket)
        session = self.sessions.get(socket)
        if session is not None:
            for room in socket.rooms:  # it may have been put into one meanwhile
                session.rooms.setdefault(room, self._store.position((session.namespace, room)))

    async def _look_back(
        self, socket: Socket, session: Session, rooms: Collection[str | None]
    ) -> None:
        """Get what a connecting socket is told of rooms that are new to it."""
        wants = self._wants.pop(socket, {})
        asked = {room: wants.get(room) for room in rooms if room != session.sid}
        keys = [(session.namespace, room) for room in asked]
        if not any(asked.values()) and not self._store.may_have_values(keys):
            return
        known = {room: at for room, at in session.rooms.items() if room not in asked}
        catching = self._hold(CatchingUp(socket, session, _limit(session.namespace)))
        try:
            past = await self._past(session, asked)
        except ChannelLayerError:
            self._stop_catching(socket)
            raise
        self._found(catching, past, known)

    async def _past(
        self, session: Session, rooms: Mapping[str | None, Wanted | None]
    ) -> Mapping[str | None, Past]:
        try:
            return await self._store.past(session.namespace, rooms)
        except ChannelLayerError:
            if any(rooms.values()):
                raise
            count("history.failed")
            return {}  # it has not asked for it

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

    async def enter(self, socket: Socket, room: str, want: Wanted | None) -> None:
        namespace, session = socket.namespace, self.sessions.get(socket)
        if session is None:
            return
        if want is None and not self._store.may_have_values([(namespace, room)]):
            return
        joining = Joining(
            socket, session, _limit(namespace), room, lambda: self._store.reached(namespace)
        )
        self._hold(joining)
        try:
            await self._hear(socket, [(namespace, room)])
            past = await self._past(session, {room: want})
            known = dict(session.rooms)
            self._found(joining, past, known)
            await joining.send(self._store)
            count("history.events", joining.sent)
        finally:
            self._release(joining)
        if socket.state is State.CONNECTED and room not in session.rooms:
            joined = self._store.position((namespace, room))
            said = [entry.position - 1 for found in past.values() for entry in found.entries[:1]]
            session.rooms[room] = min([joined, *said])

    def _joined(self, session: Session, room: str | None) -> Position:
        known = session.rooms.get(room)
        return self._store.position((session.namespace, room)) if known is None else known

    def receive_of(self, socket: Socket) -> Receive:
        if not self._store.carries:
            return socket.receive

        async def receive() -> ASGIMessage:
            # Whoever asks for the next message has handled the one before.
            session = self.sessions.get(socket)
            if session is not None:
                self._store.touch(session)
            return await socket.receive()

        return receive

    def _part(self, socket: Socket, session: Session) -> None:
        logger.warning(
            "a client that was recovered in %s is another user after `connect`: closed",
            socket.namespace,
            extra=facts(sid=socket.sid, namespace=socket.namespace),
        )
        self._forget(socket)
        self._store.drop(session)
        socket.connection.close("forced close")

    def _hold(self, catching: Catching) -> Catching:
        """Keep back what is emitted for a socket from now on."""
        self._catching.setdefault(catching.socket.namespace, []).append(catching)
        return catching

    def _catching_of(self, socket: Socket) -> CatchingUp | None:
        catching = self._catching.get(socket.namespace, ())
        return next((found for found in catching if found.socket is socket), None)

    def _stop_catching(self, socket: Socket) -> None:
        for catching in self._catching.get(socket.namespace, ()):
            if catching.socket is socket:
                self._release(catching)

    def _release(self, catching: CatchingUp) -> None:
        namespace = catching.socket.namespace
        others = [c for c in self._catching.get(namespace, ()) if c is not catching]
        if others:
            self._catching[namespace] = others
        else:
            self._catching.pop(namespace, None)

    # What the node tells of its sockets

    def wants_presence(self, socket: Socket, room: str) -> None:
        session = self.sessions.get(socket)
        if session is None and self.covers(socket.namespace):
            self._wanted.setdefault(socket, set()).add(room)
        elif session is not None and room not in session.presence:
            session.presence.add(room)
            self._changed(socket, session)

    def admitted(self, socket: Socket, room: str | None, admission: Any) -> None:
        if room is None or not self.covers(socket.namespace):
            return
        session = self.sessions.get(socket)
        ruled = self._ruled.setdefault(socket, {}) if session is None else session.ruled
        ruled[room] = list(admission.brought)
        if session is not None:
            self._changed(socket, session)

    def renamed(self, socket: Socket) -> None:
        session = self.sessions.get(socket)
        if session is not None:
            session.user = user_of(socket)
            self._changed(socket, session)

    def accepted(self, socket: Socket) -> None:
        session = self.sessions.get(socket)
        if session is None:
            return
        session.presence = (session.presence | self._wanted.pop(socket, set())) & socket.rooms
        session.ruled |= self._ruled.pop(socket, {})
        self._store.keep(session)
        if socket in self._unrecovered:
            self._unrecovered.discard(socket)
            self._say_resync(socket)
        elif session.recovered:
            count("recoveries.recovered")

    def _say_resync(self, socket: Socket) -> None:
        options = options_of(socket.namespace)
        if options is not None and options.resync_event is not None:
            self.deliver_unlogged(
                emissions.encode(
                    options.resync_event, [], namespace=socket.namespace, to=(socket.sid,)
                )
            )

    def _changed(self, socket: Socket, session: Session) -> None:
        if socket.state is State.CONNECTED:
            self._store.keep(session)

    async def entered(self, socket: Socket, room: str) -> None:
        await self._hear(socket, [(socket.namespace, room)])
        session = self.sessions.get(socket)
        if session is not None and room in socket.rooms:
            session.rooms.setdefault(room, self._store.position((socket.namespace, room)))
            self._changed(socket, session)

    def left(self, socket: Socket, room: str) -> None:
        session = self.sessions.get(socket)
        if session is not None:
            session.rooms.pop(room, None)
            session.presence.discard(room)
            session.ruled.pop(room, None)
            self._changed(socket, session)
        heard = self._heard.get(socket)
        if heard is not None and (key := (socket.namespace, room)) in heard:
            heard.discard(key)
            self._store.ignore([key])

    def refused(self, socket: Socket) -> None:
        session = self._forget(socket)
        if session is not None:
            self._store.release(session)

    def removed(self, socket: Socket) -> None:
        session = self._forget(socket)
        if session is None:
            return
        if socket.reason in FINAL:
            self._store.drop(session)
        else:
            self._store.release(session)

    def _forget(self, socket: Socket) -> Session | None:
        """A socket is none of ours any more; the session that it had."""
        self._stop_catching(socket)
        self._unrecovered.discard(socket)
        self._wanted.pop(socket, None)
        self._ruled.pop(socket, None)
        self._wants.pop(socket, None)
        heard = self._heard.pop(socket, None)
        if heard:
            self._store.ignore(heard)
        return self.sessions.pop(socket, None)


def _limit(namespace: str) -> int:
    """How many events may wait for a socket that is told others first."""
    options = options_of(namespace)
    return 0 if options is None else options.max_events
