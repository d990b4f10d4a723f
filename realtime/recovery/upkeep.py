"""The sessions of one node's sockets, kept up to date: with their sockets, and with time."""

import asyncio
from collections.abc import Collection
from typing import Any

from ..aio.tasks import Tasks
from ..metrics import counters as metrics
from ..metrics.counters import count
from ..node import emissions
from ..node.followers import Follower
from ..node.node import ServingNode
from ..node.sockets import Socket, State
from ..server.namespaces import Namespaces
from .choice import store_for
from .deliveries import Deliveries
from .floors import Floors
from .kept import Kept
from .options import REFRESH, options_of
from .sessions import FINAL, user_of
from .store import Key


class Upkeep(Follower):
    """Follows the node's sockets, and runs the store for as long as the node does."""

    def __init__(
        self, node: ServingNode, namespaces: Namespaces, kept: Kept, deliveries: Deliveries
    ) -> None:
        self._node = node
        self._namespaces = namespaces
        self._kept = kept
        self._deliveries = deliveries
        self._floors = Floors()
        self._tasks = Tasks()

    def start(self) -> None:
        node, kept, deliveries = self._node, self._kept, self._deliveries
        kept.store = store_for(
            node.bus, node.wheel, deliveries.logged, deliveries.unlogged, self._lost
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

    def _lost(self, keys: Collection[Key], count: int) -> None:
        for callback in self._node.cluster.on_lost:
            callback(keys, count)

    async def _keep_up(self) -> None:
        """Extend the sessions of connected sockets, and raise the floors of those sessions."""
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

    # Sockets

    def wants_presence(self, socket: Socket, room: str) -> None:
        session = self._kept.sessions.get(socket)
        if session is None and options_of(socket.namespace) is not None:
            self._kept.presence.setdefault(socket, set()).add(room)
        elif session is not None and room not in session.presence:
            session.presence.add(room)
            self._kept.changed(socket, session)

    def admitted(self, socket: Socket, room: str | None, admission: Any) -> None:
        if room is None or options_of(socket.namespace) is None:
            return
        session = self._kept.sessions.get(socket)
        ruled = self._kept.ruled.setdefault(socket, {}) if session is None else session.ruled
        ruled[room] = list(admission.brought)
        if session is not None:
            self._kept.changed(socket, session)

    def renamed(self, socket: Socket) -> None:
        session = self._kept.sessions.get(socket)
        if session is not None:
            session.user = session.came_as = user_of(socket)
            self._kept.changed(socket, session)

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
            namespace, to = socket.namespace, (socket.sid,)
            self._deliveries.unlogged(
                emissions.encode(options.resync_event, [], namespace=namespace, to=to)
            )

    def left(self, socket: Socket, room: str) -> None:
        session = self._kept.sessions.get(socket)
        if session is not None:
            session.rooms.pop(room, None)
            session.presence.discard(room)
            session.ruled.pop(room, None)
            self._kept.changed(socket, session)
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
