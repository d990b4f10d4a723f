"""The contract of a store: the logs of namespaces, and the sessions of their sockets."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple

from ..node.emissions import Emission
from ..node.keeping import Change
from .positions import Position
from .sessions import Session

#: A room's log: (namespace, name), (namespace, None) for the whole namespace, (namespace, sid) for
#: one socket.
Key = tuple[str, str | None]


class Entry(NamedTuple):
    """An event in a log."""

    position: Position
    emission: Emission


class Missed(NamedTuple):
    """The events of some rooms since some positions, in order."""

    entries: list[Entry]
    #: Up to here there is no other.
    upto: Position
    #: Whether there is all of them; if not, the log does not reach back.
    whole: bool


class Wanted(NamedTuple):
    """How much of a room's log a newcomer gets."""

    #: The newest so many of its events; None for all since a position.
    last: int | None = None
    since: Position = 0


class Past(NamedTuple):
    """What a room said, in order."""

    #: What was wanted of the log.
    entries: list[Entry]
    #: The newest value of each key.
    values: list[Entry]


class Refused(NamedTuple):
    """A session can't be had: the reason, for the log."""

    why: str


class Held(NamedTuple):
    """A session belongs to a socket that is there, or was, by a node that can't say so any more."""

    #: The node of the socket, and what tells one holder of the session from the next.
    node: str
    holder: str


#: Called on the loop with each event of a log, in the order of its namespace.
Deliver = Callable[[Position, Emission], None]


class Store(ABC):
    """Keeps logs and sessions for one node. Methods that are plain neither wait nor fail."""

    #: Whether it brings emissions to other nodes by itself.
    carries: bool

    @abstractmethod
    def start(self) -> None:
        """The node was started; called on its event loop."""

    @abstractmethod
    async def stop(self) -> None:
        """The node is about to stop: write what was not written."""

    # Logs

    @abstractmethod
    def publish(self, emission: Emission) -> Awaitable[None] | None:
        """Log an event, and deliver it.

        None if it is done; else what is to be awaited, which raises ChannelLayerError.
        """

    @abstractmethod
    def position(self, key: Key) -> Position:
        """All that a room said up to here has been delivered on this node."""

    @abstractmethod
    def reached(self, namespace: str) -> Position:
        """All that any room here said up to here has been delivered."""

    @abstractmethod
    async def until(self, namespace: str, position: Position, keys: Collection[Key]) -> None:
        """Wait until that has been reached, for some time; rooms that are heard said it."""

    @abstractmethod
    async def hear(self, keys: Collection[Key]) -> None:
        """Deliver what is logged for these rooms from now on; each call has its `ignore`."""

    @abstractmethod
    def ignore(self, keys: Collection[Key]) -> None:
        """Take one `hear` back."""

    @abstractmethod
    async def missed(
        self,
        namespace: str,
        since: Mapping[str | None, Position],
        claimed: Position = 0,
        values: Position | None = None,
        certain: Position = 0,
    ) -> Missed:
        """What was logged for rooms after a position; of `claimed` a client says so.

        Of each key there is the newest value, if that changed after the position, or after `values`
        if that is given. What the log lacks from before `certain` is not missed. Raises
        ChannelLayerError.
        """

    @abstractmethod
    def may_have_values(self, keys: Collection[Key]) -> bool:
        """Whether it is worth asking for the values of these rooms."""

    @abstractmethod
    async def past(
        self, namespace: str, rooms: Mapping[str | None, Wanted | None]
    ) -> dict[str | None, Past]:
        """What newcomers to these rooms get: their values, and so much of their logs.

        All of it was delivered to those who were there. Raises ChannelLayerError.
        """

    # Sessions

    @abstractmethod
    async def take(
        self,
        pid: str,
        namespace: str,
        user: str,
        offset: Position,
        *,
        instead_of: Held | None = None,
    ) -> Session | Held | Refused:
        """Take a session for a client that came back with an offset: nobody else gets it then.

        `user` is who it is by its authentication.

        Where this process dies before it writes the session again, `tried` is this offset for
        the next one. What another socket holds is taken only `instead_of` that very one. Raises
        ChannelLayerError.
        """

    @abstractmethod
    def keep(self, session: Session) -> None:
        """A session is new, or has changed; its socket is connected."""

    @abstractmethod
    def release(self, session: Session) -> None:
        """The socket is gone: its client has the window to come back."""

    @abstractmethod
    def drop(self, session: Session) -> None:
        """Nobody may come back to a session."""

    @abstractmethod
    async def change(self, change: Change) -> None:
        """Change the sessions of sockets that are away. Raises ChannelLayerError."""

    @abstractmethod
    def touch(self, session: Session) -> None:
        """The data of a session may have changed."""

    @abstractmethod
    async def settle(self) -> None:
        """Write what was not written yet, as far as that is possible."""

    @abstractmethod
    def shout(self, emission: Emission) -> Awaitable[None] | None:
        """Tell other nodes of an event that is not logged; what is to be awaited, if anything."""

    @abstractmethod
    async def refresh(self, sessions: Collection[Session]) -> list[Session]:
        """These sessions last on: their sockets are there. Returns those that others have."""

    @abstractmethod
    def readings(self) -> dict[str, float]:
        """What it holds, as numbers for `metrics.snapshot()`."""
