"""The state that recovery keeps for the sockets of one node."""

from collections.abc import Collection
from typing import TypeVar

from ..node.emissions import Emission
from ..node.sockets import Socket, State
from .catching import CatchingUp, Joining
from .positions import Position
from .sessions import Session, new_pid, user_of
from .store import Key, Store, Wanted

Catching = TypeVar("Catching", bound=CatchingUp)


class Kept:
    """Sessions, who is catching up, and what is still to be done for sockets that connect."""

    #: Set by who makes this: the store needs a function that delivers, and that needs this object.
    store: Store

    def __init__(self) -> None:
        self.sessions: dict[Socket, Session] = {}
        #: Sockets whose clients came back in vain.
        self.unrecovered: set[Socket] = set()
        #: Who their clients were by their authentication, before `connect` may have found out more.
        self.came_as: dict[Socket, str] = {}
        #: Rooms in which sockets that have no session yet are to be present.
        self.presence: dict[Socket, set[str]] = {}
        #: Likewise the rooms that rules let them into.
        self.ruled: dict[Socket, dict[str, list[str]]] = {}
        #: What connecting sockets are to be told of their rooms.
        self.wants: dict[Socket, dict[str | None, Wanted]] = {}
        #: Sockets that were told more than this node has delivered.
        self.ahead: set[Socket] = set()
        #: Rooms that are heard for a socket, where the store has to be told of them.
        self._heard: dict[Socket, set[Key]] = {}
        #: Sockets that are told something before they are members, by namespace. Mostly empty.
        self._catching: dict[str, list[CatchingUp]] = {}

    def new_session(self, socket: Socket) -> Session:
        """Make the session of a socket that came back to none."""
        user = user_of(socket)
        session = self.sessions[socket] = Session(
            pid=new_pid(),
            sid=socket.sid,
            namespace=socket.namespace,
            user=user,
            came_as=self.came_as.get(socket, user),
        )
        return session

    def changed(self, socket: Socket, session: Session) -> None:
        """Have the store keep what changed; it is not told of sockets that are still connecting."""
        if socket.state is State.CONNECTED:
            self.store.keep(session)

    def forget(self, socket: Socket) -> Session | None:
        """Forget a socket that has left; return its session."""
        self.stop_catching(socket)
        self.unrecovered.discard(socket)
        self.ahead.discard(socket)
        self.came_as.pop(socket, None)
        self.presence.pop(socket, None)
        self.ruled.pop(socket, None)
        self.wants.pop(socket, None)
        heard = self._heard.pop(socket, None)
        if heard:
            self.store.ignore(heard)
        return self.sessions.pop(socket, None)

    # What is heard

    async def hear(self, socket: Socket, keys: Collection[Key]) -> None:
        """Hear these rooms for a socket, as well."""
        if self.store.carries:
            heard = self._heard.setdefault(socket, set())
            new = [key for key in keys if key not in heard]
            heard.update(new)
            await self.store.hear(new)

    def ignore(self, socket: Socket, key: Key) -> None:
        """A socket has left a room."""
        heard = self._heard.get(socket)
        if heard is not None and key in heard:
            heard.discard(key)
            self.store.ignore([key])

    # Who is catching up

    def hold_back(self, position: Position, emission: Emission) -> None:
        """Keep an event for those who are told others first."""
        if self._catching:
            for catching in self._catching.get(emission.namespace, ()):
                catching.hold(position, emission)

    def hold(self, catching: Catching) -> Catching:
        """Keep back what is emitted for a socket from now on."""
        self._catching.setdefault(catching.socket.namespace, []).append(catching)
        return catching

    def catching_of(self, socket: Socket) -> CatchingUp | None:
        catching = self._catching.get(socket.namespace, ())
        return next((found for found in catching if found.socket is socket), None)

    def joining(self, socket: Socket, room: str) -> Joining | None:
        """What tells a connected socket the past of a room, if anything does."""
        for catching in self._catching.get(socket.namespace, ()):
            if isinstance(catching, Joining) and (catching.socket, catching.room) == (socket, room):
                return catching
        return None

    def stop_catching(self, socket: Socket) -> None:
        for catching in self._catching.get(socket.namespace, ()):
            if catching.socket is socket:
                self.release(catching)

    def release(self, catching: CatchingUp) -> None:
        namespace = catching.socket.namespace
        others = [c for c in self._catching.get(namespace, ()) if c is not catching]
        if others:
            self._catching[namespace] = others
        else:
            self._catching.pop(namespace, None)
