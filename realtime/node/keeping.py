"""What a node asks of those who keep what it emits, for clients that come back: see recovery/."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..cluster.bus import Bus
from .emissions import Emission
from .inboxes import ASGIMessage
from .sockets import Socket

if TYPE_CHECKING:  # its libraries are an extra
    from ..cluster.shortcut import Shortcut

Receive = Callable[[], Awaitable[ASGIMessage]]


class Recovered(NamedTuple):
    """What a socket was given back: its rooms and data it has already."""

    sid: str
    #: Rooms that rules let it into, which are to be asked again; it is in none of them yet.
    ruled: tuple[str, ...]


class Change(NamedTuple):
    """What an operation did to the sockets that match, here or on any node."""

    #: "join", "leave" or "disconnect".
    kind: str
    room: str
    #: Room names and sids; None for all sockets.
    to: tuple[str, ...] | None
    #: None for any.
    namespace: str | None


class Keeping(Protocol):
    """Knows which namespaces have a log, and publishes what is emitted in them."""

    def covers(self, namespace: str) -> bool:
        """Whether clients of a namespace may come back to what they missed."""

    async def publish(self, emission: Emission) -> None:
        """Deliver an emission in such a namespace. Raises ChannelLayerError."""

    def publish_by(
        self, shortcut: "Shortcut", emission: Emission
    ) -> Coroutine[Any, Any, object] | None:
        """The same from any thread; what is left of it for the event loop. Raises TimeoutError."""

    async def stop(self) -> None:
        """Nothing is emitted any more."""


class Keeper(ABC):
    """The same for a node with sockets, whose clients may come back."""

    @abstractmethod
    def covers(self, namespace: str) -> bool:
        """Whether clients of a namespace may come back to what they missed."""

    @abstractmethod
    async def publish(self, emission: Emission) -> None:
        """Deliver an emission in such a namespace. Raises ChannelLayerError."""

    @abstractmethod
    def heard(self, emission: Emission) -> None:
        """Another node emitted in such a namespace, over the channel layer."""

    @abstractmethod
    def deliver_unlogged(self, emission: Emission) -> None:
        """Deliver to the sockets of this node what nobody can come back to."""

    @abstractmethod
    def carries(self, namespace: str) -> bool:
        """Whether emissions in a namespace reach other nodes without the channel layer."""

    @abstractmethod
    def read(self, auth: dict[str, Any] | None) -> tuple[dict[str, Any] | None, Any]:
        """What a client wants to come back to, or None, and its `auth` without that."""

    @abstractmethod
    async def recover(self, socket: Socket, claim: Any) -> Recovered | None:
        """Give a connecting socket back what its client claims, apart from events.

        Its client has authenticated. None if it claims nothing, or can't have it: then the socket
        is a new one.
        """

    @abstractmethod
    async def prepare(self, socket: Socket) -> None:
        """Hear what is emitted to the rooms of a connecting socket."""

    @abstractmethod
    async def catch_up(self, socket: Socket) -> dict[str, Any]:
        """Send a connecting socket what it missed; more for the answer to its connect.

        Nothing is awaited after the last event: the caller makes it a member in the same turn.
        """

    @abstractmethod
    def wants_past(self, socket: Socket, room: str | None, want: Any) -> None:
        """A connecting socket is to be told what a room said, or with None its namespace."""

    @abstractmethod
    def has_past_for(self, socket: Socket) -> bool:
        """Whether there is something that a connecting socket is to be told behind its connect."""

    @abstractmethod
    async def tell_past(self, socket: Socket) -> None:
        """Tell it. Nothing is awaited after the last event, as above."""

    @abstractmethod
    async def enter(self, socket: Socket, room: str, want: Any) -> None:
        """Tell a connected socket what a room said that it is about to join.

        Nothing is awaited after the last event, as above.
        """

    @abstractmethod
    async def steered(self, change: Change) -> None:
        """An operation was carried out here; it is for clients that are away, too.

        Raises ChannelLayerError.
        """

    @abstractmethod
    def turn_back(self, socket: Socket, room: str) -> None:
        """A socket that is about to join a room is to leave it: it is told no more, and not in."""

    @abstractmethod
    def receive_of(self, socket: Socket) -> Receive:
        """The ASGI `receive` of a socket's application."""

    @abstractmethod
    async def entered(self, socket: Socket, room: str) -> None:
        """A connected socket has joined a room."""


#: Makes what keeps for a publisher, given its bus; None where no log is to be had.
MakeKeeping = Callable[[Bus], Keeping | None]
