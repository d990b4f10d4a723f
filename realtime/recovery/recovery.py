"""Lets the clients of one node come back: a new connection gets what was lost with the old one."""

import logging
from typing import Any

from ..conf import settings
from ..logs import facts
from ..metrics.counters import count
from ..node.emissions import Emission
from ..node.inboxes import ASGIMessage
from ..node.keeping import Change, Keeper, Receive, Recovered
from ..node.node import ServingNode
from ..node.sockets import Socket, State
from ..server.namespaces import Namespaces
from .deliveries import Deliveries
from .kept import Kept
from .memory import MemoryStore
from .newcomers import Newcomers
from .options import options_of
from .outage import in_time
from .positions import Position
from .returning import Returning
from .sessions import EVERYONE, Claim, Session, read, user_of
from .store import Wanted
from .upkeep import Upkeep

logger = logging.getLogger("realtime.recovery")


class Recovery(Keeper):
    """What the node asks of the logs and sessions of its sockets; `upkeep` is told what they do."""

    def __init__(self, node: ServingNode, namespaces: Namespaces) -> None:
        self._node = node
        self._namespaces = namespaces
        self._kept = Kept()
        self._deliveries = Deliveries(node.members, self._kept)
        # Until `upkeep` is started, and from then on where there is no Redis.
        self._kept.store = MemoryStore(node.wheel, self._deliveries.logged)
        self._returning = Returning(node, namespaces, self._kept, self._settle)
        self._newcomers = Newcomers(self._kept)
        #: For the node's followers.
        self.upkeep = Upkeep(node, namespaces, self._kept, self._deliveries)
        #: Whether there was a client that may come back.
        self._in_use = False

    async def _settle(self) -> None:
        await self._kept.store.settle()

    # Emissions

    def covers(self, namespace: str) -> bool:
        return options_of(namespace) is not None  # at each emit: the options are remembered

    def carries(self, namespace: str) -> bool:
        return self._kept.store.carries

    async def publish(self, emission: Emission) -> None:
        store = self._kept.store
        if emission.volatile:
            self._deliveries.unlogged(emission)
            rest = store.shout(emission)
        else:
            rest = store.publish(emission)
        if rest is not None:
            await rest
        if not store.carries and self._node.cluster.reaches_others:
            await self._node.spread(emission)

    def heard(self, emission: Emission) -> None:
        if emission.volatile or self._kept.store.carries:
            self._deliveries.unlogged(emission)
        else:
            self._kept.store.publish(emission)

    def deliver_unlogged(self, emission: Emission) -> None:
        self._deliveries.unlogged(emission)

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
            self._part(socket, session)  # `connect` has logged in somebody else
            return {}
        catching = kept.catching_of(socket)
        if catching is not None:
            await catching.send(kept.store)
            count("recovered.events", catching.sent)
            if socket.state is not State.CONNECTING:
                return {}
            kept.stop_catching(socket)
        if session is None:
            session = kept.new_session(socket)
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

    async def entered(self, socket: Socket, room: str) -> None:
        await self._kept.hear(socket, [(socket.namespace, room)])
        session = self._kept.sessions.get(socket)
        if session is not None and room in socket.rooms:
            session.rooms.setdefault(room, self._kept.store.position((socket.namespace, room)))
            self._kept.changed(socket, session)

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
