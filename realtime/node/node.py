"""The node of a process with a server, which holds sockets."""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any

from ..cluster.bus import Message
from ..cluster.cluster import Cluster
from ..cluster.groups import Group
from ..conf import settings
from ..engine.wheel import TimerWheel
from ..exceptions import RoomError
from ..metrics import instruments
from ..metrics.counters import count, report
from . import emissions, greenlets
from .base import F, Node, Run
from .emissions import Emission
from .entrance import Entrance
from .followers import Follower
from .keeping import Keeper
from .members import Members
from .rooms import new_node_id, node_of
from .sockets import Socket, State


class ServingNode(Node):
    """The node of a process with a server: its sockets, its rooms, and what follows them."""

    def __init__(self, wheel: TimerWheel) -> None:
        self.id = new_node_id()
        self.loop = None
        self.wheel = wheel
        self.members = Members()
        self.cluster = Cluster(self.id, self._heard)
        self.bus = self.cluster.bus
        self.requests = self.cluster.requests
        self.followers: list[Follower] = []
        #: Keeps logs, where a namespace may have one.
        self.keeper: Keeper | None = None
        self._entrance = Entrance(self.members, self.cluster.memberships)
        #: Whether the project's code has a namespace of this very name, beside those with routes.
        self.is_named: Callable[[str], bool] = lambda namespace: False
        #: When it started, in seconds since the epoch.
        self.started_at = 0.0

    @property
    def is_running(self) -> bool:
        """Whether sockets can be connected to this node now."""
        return self.loop is not None and not self.loop.is_closed()

    def start(self) -> None:
        """Begin to hear the other nodes; to be called in the server's event loop."""
        self.loop = asyncio.get_running_loop()
        self.started_at = time.time()
        self.cluster.start()
        for follower in self.followers:
            follower.start()

    def follower(self, kind: type[F]) -> F | None:
        return next((found for found in self.followers if isinstance(found, kind)), None)

    # Emits

    def keeper_of(self, namespace: str) -> Keeper | None:
        """What keeps the log of a namespace; None for one without."""
        keeper = self.keeper
        return keeper if keeper is not None and keeper.covers(namespace) else None

    async def _publish(self, emission: Emission) -> None:
        if self.keeper is not None and self.keeper.covers(emission.namespace):
            await self.keeper.publish(emission)
            return
        self.members.deliver(emission)
        await self.spread(emission)

    def _is_for_threads(self, emission: Emission) -> bool:
        # What a log gets is delivered when it comes back from there.
        if self.cluster.direct is None or greenlets.patched_by() is not None:
            return False
        return self.keeper is None or not self.keeper.covers(emission.namespace)

    def _publish_from_thread(self, emission: Emission, run: Run) -> None:
        run(self._deliver(emission))
        to = emissions.addressees(emission, self.id)
        left = self.cluster.publish_from_thread(to, emissions.to_body(emission))
        if left is not None:
            run(left)

    async def _deliver(self, emission: Emission) -> None:
        self.members.deliver(emission)

    async def spread(self, emission: Emission) -> None:
        """Send an emission to the other nodes over the layer. Raises ChannelLayerError."""
        if self.cluster.reaches_others:
            to = emissions.addressees(emission, self.id)
            await self.cluster.publish(to, emissions.to_body(emission))

    def _heard(self, message: Message) -> None:
        """Another process emitted to rooms that are here, too."""
        emission = emissions.from_body(message)
        if instruments.tracing is None:
            self._take_in(emission)
        else:
            with instruments.tracing.delivering(emission):
                self._take_in(emission)
        if instruments.timings is not None:
            instruments.timings.arrived(time.time() - message["at"])

    def _take_in(self, emission: Emission) -> None:
        if self.keeper is not None and self.keeper.covers(emission.namespace):
            self.keeper.heard(emission)
        else:
            self.members.deliver(emission)

    def deliver_here(self, emission: Emission) -> None:
        """Deliver to the sockets of this node alone what no log is to have."""
        if self.keeper is not None and self.keeper.covers(emission.namespace):
            self.keeper.deliver_unlogged(emission)
        else:
            self.members.deliver(emission)

    # Sockets

    async def prepare(self, socket: Socket, prepared: Collection[Group] = ()) -> set[Group]:
        """Let emits of other processes to a socket's namespace and rooms come here.

        Returns the groups that `forget` takes back. Given those of a first call, it makes up for
        rooms that the socket joined or left meanwhile.
        """
        memberships, done = self.cluster.memberships, set(prepared)
        while (groups := set(self._groups(socket))) != done:
            memberships.unsubscribe(done - groups)
            missing = groups - done
            done = groups
            await memberships.subscribe(missing)
        keeper = self.keeper_of(socket.namespace)
        if keeper is not None:
            await keeper.prepare(socket)
        return done

    def forget(self, prepared: Collection[Group]) -> None:
        """Take back what `prepare` did."""
        self.cluster.memberships.unsubscribe(prepared)

    def identify(self, socket: Socket, user: dict[str, str] | None, login: Any) -> None:
        """Note who the client of a connecting or connected socket is, and tell the followers."""
        is_renamed = socket.state is State.CONNECTED and socket.user != user
        if is_renamed:
            for follower in self.followers:
                follower.renaming(socket)
            self.members.changes += 1
        socket.user, socket.login = user, login
        for follower in self.followers:
            follower.identified(socket)
            if is_renamed:
                follower.renamed(socket)

    async def confirm(self, socket: Socket) -> None:
        """Look once more whether a socket may be accepted; its connection is closed if not."""
        for follower in self.followers:
            await follower.confirm(socket)

    def admit(self, socket: Socket, room: str | None, admission: Any) -> None:
        """A rule let a socket into a room, or into its namespace, and is to be asked again."""
        for follower in self.followers:
            follower.admitted(socket, room, admission)

    def add(self, socket: Socket) -> None:
        """A socket that was prepared for and confirmed is accepted."""
        socket.accepted()
        socket.since = time.time()
        count("connects.accepted")
        self.members.add(socket)

    def remove(self, socket: Socket) -> None:
        """A socket that was accepted is gone."""
        self.members.remove(socket)
        for follower in self.followers:
            follower.removed(socket)
        self.forget(self._groups(socket))

    async def enter_room(self, socket: Socket, room: str, want: Any = None) -> None:
        """Put a socket of this process into a room, and tell it as much as it wants of its past.

        Raises RoomError at `REALTIME["MAX_ROOMS"]`.
        """
        await self._entrance.wait(socket, room)
        if room in socket.rooms or room == socket.sid or socket.state is State.CLOSED:
            return
        if len(socket.rooms) + self._entrance.number(socket) >= settings.MAX_ROOMS:
            report("refused.rooms", address=socket.connection.address)
            raise RoomError(
                f"a socket may be in at most {settings.MAX_ROOMS} rooms (REALTIME MAX_ROOMS)"
            )
        keeper = self.keeper_of(socket.namespace)
        if socket.state is State.CONNECTING:  # the acceptance makes it a member
            socket.rooms.add(room)
            if keeper is not None and want is not None:
                keeper.wants_past(socket, room, want)
        elif keeper is None:
            self.members.join(socket, room)
            await self.cluster.memberships.subscribe([(socket.namespace, room)])
        else:
            await self._entrance.enter(keeper, socket, room, want)

    def entering(self, room: str, namespace: str | None) -> list[Socket]:
        """The sockets that are being told what a room said, and are not in it yet."""
        return self._entrance.into(room, namespace)

    def leave_room(self, socket: Socket, room: str) -> None:
        """Take a socket of this process out of a room."""
        keeper = self.keeper_of(socket.namespace)
        if self._entrance.leave(socket, room) and keeper is not None:
            keeper.turn_back(socket, room)
        if room not in socket.rooms:
            return
        for follower in self.followers:
            follower.left(socket, room)
        if socket.state is State.CONNECTED:
            self.members.leave(socket, room)
            if keeper is None or not keeper.carries(socket.namespace):
                self.cluster.memberships.unsubscribe([(socket.namespace, room)])
        else:
            socket.rooms.discard(room)

    def _groups(self, socket: Socket) -> list[Group]:
        """The channel layer's groups that this process needs for a socket."""
        namespace = socket.namespace
        if self.keeper is not None and self.keeper.covers(namespace):
            if self.keeper.carries(namespace):
                return []
            if node_of(socket.sid) is None:  # it is in no node's own group
                own: list[Group] = [(namespace, socket.sid)]
                return [*own, (namespace, None), *((namespace, room) for room in socket.rooms)]
        return [(namespace, None), *((namespace, room) for room in socket.rooms)]
