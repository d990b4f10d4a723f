"""A room whose presence this process follows, with the sockets here that wanted it."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from ..engine.wheel import CLOCK_RESOLUTION, Handle
from ..node.sockets import Socket
from .table import RoomTable, UserKey

#: Namespace and name.
RoomKey = tuple[str, str]


class HostedRoom:
    """What this process keeps for one room."""

    __slots__ = (
        "asked",
        "doubts",
        "idle",
        "introduced",
        "key",
        "leaving",
        "newcomers",
        "settled",
        "sockets",
        "table",
        "watchers",
    )

    def __init__(self, key: RoomKey, table: RoomTable) -> None:
        self.key = key
        self.table = table
        #: Sockets that are told who is here; of these, those that were told nothing yet.
        self.watchers: set[Socket] = set()
        self.newcomers: set[Socket] = set()
        #: How many sockets here each user has.
        self.sockets: Counter[UserKey] = Counter()
        #: Users without a socket here, in their grace.
        self.leaving: dict[UserKey, Handle] = {}
        #: Whether the other nodes were told that we host the room.
        self.introduced = False
        #: Whether they had the time to tell us of their users.
        self.settled = False
        #: Users for whom signals may be due, and when, by the loop's clock.
        self.doubts: dict[UserKey, float] = {}
        #: When each node was asked for its users the last time.
        self.asked: dict[str, float] = {}
        #: Lets the room go, if nobody comes.
        self.idle: Handle | None = None

    @property
    def number(self) -> int:
        """The number of our last change."""
        return self.table.numbers[self.table.node_id]

    @property
    def is_needed(self) -> bool:
        """Whether anyone here watches, is in the room, or may come back."""
        return bool(self.watchers or self.leaving)

    def doubt(self, users: Iterable[UserKey], changed: Iterable[UserKey], seconds: float) -> None:
        """Have these users looked at in some seconds, which begin anew for those in `changed`."""
        due = asyncio.get_running_loop().time() + seconds
        for key in users:
            self.doubts.setdefault(key, due)
        for key in changed:
            self.doubts[key] = due

    def certain(self) -> list[UserKey]:
        """The users for whom it is time to see whether signals are due."""
        now = asyncio.get_running_loop().time() + CLOCK_RESOLUTION
        certain = [key for key, due in self.doubts.items() if due <= now]
        for key in certain:
            del self.doubts[key]
        return certain

    def may_ask(self, node: str, pause: float) -> bool:
        """Whether it is time to ask a node for its users; not twice in `pause` seconds."""
        now = asyncio.get_running_loop().time()
        if now - self.asked.get(node, -pause) < pause:
            return False
        self.asked[node] = now
        return True
