"""Lets the clients of one node come back: what was lost with a connection is given to the next."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ..aio.tasks import Tasks
from ..conf import settings
from ..logs import facts
from ..metrics import counters as metrics
from ..metrics.counters import count
from ..node import emissions
from ..node.emissions import Emission
from ..node.inboxes import ASGIMessage
from ..node.keeping import Change, Keeper, Receive, Recovered
from ..node.node import ServingNode
from ..node.sockets import Socket, State
from ..server.namespaces import Namespaces
from .catching import concerns, send
from .choice import store_for
from .floors import Floors
from .kept import Kept
from .memory import MemoryStore
from .newcomers import Newcomers
from .options import REFRESH, options_of
from .outage import in_time
from .positions import Position, to_text
from .returning import Returning
from .sessions import EVERYONE, FINAL, Claim, Session, new_pid, read, user_of
from .store import Entry, Key, Wanted

logger = logging.getLogger("realtime.recovery")


class Recovery(Keeper):
    """The logs and sessions of one node's sockets: what the node asks and tells of them."""

    def __init__(self, node: ServingNode, namespaces: Namespaces) -> None:
        self._node = node
        self._namespaces = namespaces
        #: With another store from the start on, where there is a Redis.
        self._kept = Kept(MemoryStore(node.wheel, self._deliver))
        self._returning = Returning(node, namespaces, self._kept, self._settle)
        self._newcomers = Newcomers(self._kept)
        self._floors = Floors()
        self._tasks = Tasks()
        #: Whether there was a client that may come back.
        self._in_use = False

    def start(self) -> None:
        node, kept = self._node, self._kept
        kept.store = store_for(
            node.bus, node.wheel, self._deliver, self.deliver_unlogged, self._lost
        )
        kept.store.start()
        metrics.sources.append(kept.store.readings)
        self._tasks.start(self._keep_up())

    async def stop(self) -> None:
        await self._tasks.end()
        store = self._kept.store
        if store.readings in metrics.sources:
            metrics.sources.remove(store.readings)
        await store.stop()

    async def _settle(self) -> None:
        await self._kept.store.settle()

    def _lost(self, keys: Collection[Key], count: int) -> None:
        for callback in self._node.cluster.on_lost:
            callback(keys, count)

    async def _keep_up(self) -> None:
        """Let the sessions of connected sockets last, and tell what their clients surely have."""
        kept = self._kept
        while True:
            await asyncio.sleep(REFRESH)
            sessions = dict(kept.sessions)
            self._floors.look(kept.store, sessions, self._node.wheel.time())
            connected = {s: k for k, s in sessions.items() if k.state is State.CONNECTED}
            for session in await kept.store.refresh(connected):
                socket = connected[session]
                if socket.state is State.CONNECTED and kept.sessions.get(socket) is session:
                    self._namespaces.send_away(socket, "transport close")

    # Emissions

    def covers(self, namespace: str) -> bool:
        return options_of(namespace) is not None  # at each emit: the options are remembered

    def carries(self, namespace: str) -> bool:
        return self._kept.store.carries

    async def publish(self, emission: Emission) -> None:
        store = self._kept.store
        if emission.volatile:
            self.deliver_unlogged(emission)
            rest = store.shout(emission)
        else:
            rest = store.publish(emission)
        if rest is not None:
            await rest
        if not store.carries and self._node.cluster.reaches_others:
            await self._node.spread(emission)

    def heard(self, emission: Emission) -> None:
        if emission.volatile or self._kept.store.carries:
            self.deliver_unlogged(emission)
        else:
            self._kept.store.publish(emission)

    def _deliver(self, position: Position, emission: Emission) -> None:
        messages = emissions.parser().append(emission.messages, to_text(position))
        self._node.members.deliver(emission, messages)
        self._kept.hold_back(position, emission)

    def deliver_unlogged(self, emission: Emission) -> None:
        # The stock client takes a text that comes last, the event's name too, for an offset. It
        # gets a true one: its socket has been sent all up to there.
        messages = emission.messages
        parser = emissions.parser()
        if parser.ends_in_text(messages):
            position = self._kept.store.reached(emission.namespace)
            if self._kept.ahead:
                emission = self._deliver_to_those_ahead(emission, position)
            messages = parser.append(messages, to_text(position))
        self._node.members.deliver(emission, messages)

    def _deliver_to_those_ahead(self, emission: Emission, position: Position) -> Emission:
        """To sockets that were told more than up to `position`; what is left is for the others."""
        kept = self._kept
        sent = {socket: kept.sessions[socket].sent for socket in kept.ahead}
        behind = {
            s for s, at in sent.items() if s.namespace == emission.namespace and at <= position
        }
        kept.ahead -= behind
        others = [s for s in kept.ahead if s.namespace == emission.namespace]
        for socket in others:
            if concerns(socket, emission):
                send(socket, Entry(position, emission), sent[socket])
        return replace(emission, skip=emission.skip | {socket.sid for socket in others})

    # A client connects

    def read(self, auth: dict[str, Any] | None) -> tuple[dict[str, Any] | None, Claim | None]:
        self._in_use = True
        return read(auth)

    async def recover(self, socket: Socket, claim: Claim | None) -> Recovered | None:
        self._kept.came_as[socket] = user_of(socket)
        if claim is None:
            return None
        return await self._returning.recover(socket, claim)

    def wants_past(self, socket: Socket, room: str | None, want: Wanted) -> None:
        self._kept.wants.setdefault(socket, {})[room] = want

    async def prepare(self, socket: Socket) -> None:
        names = [EVERYONE, socket.sid, *socket.rooms]
        await self._kept.hear(socket, [(socket.namespace, room) for room in names])

    async def catch_up(self, socket: Socket) -> dict[str, Any]:
        kept = self._kept
        session = kept.sessions.get(socket)
        if session is not None and session.user != user_of(socket):
            self._part(socket, session)  # `connect` made another one of it
            return {}
        catching = kept.catching_of(socket)
        if catching is not None:
            await catching.send(kept.store)
            count("recovered.events", catching.sent)
            if socket.state is not State.CONNECTING:
                return {}
            kept.stop_catching(socket)
        if session is None:
            user = user_of(socket)
            session = Session(
                pid=new_pid(),
                sid=socket.sid,
                namespace=socket.namespace,
                user=user,
                came_as=kept.came_as.get(socket, user),
            )
            kept.sessions[socket] = session
        rooms = (EVERYONE, session.sid, *socket.rooms)
        new = [room for room in rooms if room not in session.rooms]
        session.rooms = {room: self._joined(session, room) for room in rooms}
        session.data, session.node = socket.data, self._node.id
        session.connected_at = self._node.wheel.time()
        looked_back = await in_time(
            socket,
            lambda: self._newcomers.look_back(socket, session, new),
            self._node.wheel.time,
        )
        kept.wants.pop(socket, None)
        if looked_back is None:
            return {}
        interrupted = looked_back or (catching is not None and catching.was_interrupted)
        if not interrupted and socket.connection.sends_together:
            session.tried = None
        return {"pid": session.pid}

    def has_past_for(self, socket: Socket) -> bool:
        return self._kept.catching_of(socket) is not None

    async def tell_past(self, socket: Socket) -> None:
        await self._newcomers.tell(socket)

    async def enter(self, socket: Socket, room: str, want: Wanted | None) -> None:
        await self._newcomers.enter(socket, room, want)

    def turn_back(self, socket: Socket, room: str) -> None:
        self._newcomers.turn_back(socket, room)

    def _joined(self, session: Session, room: str | None) -> Position:
        known = session.rooms.get(room)
        return self._kept.store.position((session.namespace, room)) if known is None else known

    def _part(self, socket: Socket, session: Session) -> None:
        logger.warning(
            "closed a client that was recovered in %s, because `connect` made it another user's",
            socket.namespace,
            extra=facts(sid=socket.sid, namespace=socket.namespace),
        )
        self._kept.forget(socket)
        self._kept.store.drop(session)
        socket.connection.close("forced close")

    def receive_of(self, socket: Socket) -> Receive:
        if not self._kept.store.carries:
            return socket.receive

        async def receive() -> ASGIMessage:
            # Whoever asks for the next message has handled the one before.
            session = self._kept.sessions.get(socket)
            if session is not None:
                self._kept.store.touch(session)
            return await socket.receive()

        return receive

    async def steered(self, change: Change) -> None:
        of = change.namespace
        if self.covers(of) if of is not None else (self._in_use or settings.RECOVERY is not None):
            await self._returning.steered(change)

    # What the node tells of its sockets

    def wants_presence(self, socket: Socket, room: str) -> None:
        session = self._kept.sessions.get(socket)
        if session is None and self.covers(socket.namespace):
            self._kept.presence.setdefault(socket, set()).add(room)
        elif session is not None and room not in session.presence:
            session.presence.add(room)
            self._changed(socket, session)

    def admitted(self, socket: Socket, room: str | None, admission: Any) -> None:
        if room is None or not self.covers(socket.namespace):
            return
        session = self._kept.sessions.get(socket)
        ruled = self._kept.ruled.setdefault(socket, {}) if session is None else session.ruled
        ruled[room] = list(admission.brought)
        if session is not None:
            self._changed(socket, session)

    def renamed(self, socket: Socket) -> None:
        session = self._kept.sessions.get(socket)
        if session is not None:
            session.user = session.came_as = user_of(socket)
            self._changed(socket, session)

    def accepted(self, socket: Socket) -> None:
        session = self._kept.sessions.get(socket)
        if session is None:
            return
        session.presence = (
            session.presence | self._kept.presence.pop(socket, set())
        ) & socket.rooms
        session.ruled |= self._kept.ruled.pop(socket, {})
        if session.sent > self._kept.store.reached(session.namespace):
            self._kept.ahead.add(socket)
        self._kept.store.keep(session)
        if socket in self._kept.unrecovered:
            self._kept.unrecovered.discard(socket)
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
            self._kept.store.keep(session)

    async def entered(self, socket: Socket, room: str) -> None:
        await self._kept.hear(socket, [(socket.namespace, room)])
        session = self._kept.sessions.get(socket)
        if session is not None and room in socket.rooms:
            session.rooms.setdefault(room, self._kept.store.position((socket.namespace, room)))
            self._changed(socket, session)

    def left(self, socket: Socket, room: str) -> None:
        session = self._kept.sessions.get(socket)
        if session is not None:
            session.rooms.pop(room, None)
            session.presence.discard(room)
            session.ruled.pop(room, None)
            self._changed(socket, session)
        self._kept.ignore(socket, (socket.namespace, room))

    def refused(self, socket: Socket) -> None:
        session = self._kept.forget(socket)
        if session is not None:
            self._kept.store.release(session)

    def removed(self, socket: Socket) -> None:
        session = self._kept.forget(socket)
        if session is None:
            return
        if socket.reason in FINAL:
            self._kept.store.drop(session)
        else:
            self._kept.store.release(session)
