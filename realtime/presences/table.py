"""Who is in one room, as one node knows it. Pure: it awaits nothing and sends nothing.

Each node has the say about its own users, and numbers what it tells of them. So what nodes know of
each other may be late, but never contradicts: of two states of a node the higher number holds.

The numbers are one hybrid clock: milliseconds since 1970, but always higher than any number that
the node has seen. Of two changes one of which knew of the other, the later one has the higher
number, whatever the clocks of the machines say; between equals the node's id decides. So all nodes
agree on who was first, and who last.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from ..node.users import UserInfo

#: A user, by model and primary key: names change.
UserKey = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Present:
    """A user who is in a room, with the user's sockets there in all processes.

    `since` is an aware datetime in UTC. `sockets` is 0 during the grace period, in which the user
    may come back.
    """

    user: UserInfo
    since: datetime
    sockets: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A user in the room, on one node. Kept when they left, until they are on no node.

    `number` is when they came to that node, or left it. `since` is when they came to the room, in
    seconds since 1970.
    """

    user: UserInfo
    sockets: int
    since: float
    number: int
    here: bool = True

    @property
    def key(self) -> UserKey:
        return key_of(self.user)

    def pack(self) -> list[Any]:
        """Plain values, for messages."""
        user = self.user
        about = [user.model, user.pk, user.name]
        return [*about, self.sockets, self.since, self.number, self.here]

    @classmethod
    def unpack(cls, values: list[Any]) -> Self:
        model, pk, name, sockets, since, number, here = values
        user = UserInfo(model=model, pk=pk, name=name)
        return cls(user=user, sockets=sockets, since=since, number=number, here=here)


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """A user came to the room or left it, in the whole cluster; `owner` is the node to say so."""

    user: UserInfo
    joined: bool
    owner: str


def key_of(user: UserInfo) -> UserKey:
    return user.model, user.pk


def merge(entries: Iterable[Entry]) -> Present | None:
    """One user's entries on all nodes as one; None if they are on no node."""
    here = [entry for entry in entries if entry.here]
    if not here:
        return None
    since = min(entry.since for entry in here)
    return Present(
        user=here[0].user,
        since=datetime.fromtimestamp(since, UTC),
        sockets=sum(entry.sockets for entry in here),
    )


def in_order(present: Iterable[Present]) -> tuple[Present, ...]:
    """Who came first stands first."""
    return tuple(sorted(present, key=lambda p: (p.since, p.user.name, key_of(p.user))))


def _first(here: dict[str, Entry]) -> str:
    """The node that a user came to first."""
    return min(here, key=lambda node: (here[node].number, node))


class RoomTable:
    """The users of one room on all nodes, and what of it was shown and announced here."""

    def __init__(self, node_id: str, number: int) -> None:
        self.node_id = node_id
        #: The number of the last change that we know of each node that hosts the room.
        self.numbers: dict[str, int] = {node_id: number}
        self._where: dict[UserKey, dict[str, Entry]] = {}
        #: What our clients were shown.
        self._shown: dict[UserKey, Present] = {}
        self._touched: set[UserKey] = set()
        #: Of whom the cluster was told that they joined, and not yet that they left.
        self._announced: dict[UserKey, UserInfo] = {}
        #: Own changes that other nodes were not told, and the number up to which they were.
        self._untold: set[UserKey] = set()
        self.told = number

    # Our own users

    def put(self, user: UserInfo, sockets: int, *, now: float, number: int) -> None:
        """A user has so many sockets on this node; 0 while they may come back."""
        key = key_of(user)
        entry = self._where.get(key, {}).get(self.node_id)
        if entry is not None and entry.here:
            entry = replace(entry, user=user, sockets=sockets)
        else:
            shown = self._shown.get(key)
            since = now if shown is None else shown.since.timestamp()
            entry = Entry(user=user, sockets=sockets, since=since, number=number)
        self._changed(entry, number)

    def remove(self, user: UserInfo, *, number: int) -> None:
        """A user has left this node for good."""
        entry = self._where.get(key_of(user), {}).get(self.node_id)
        if entry is not None and entry.here:
            self._changed(replace(entry, sockets=0, number=number, here=False), number)

    def _changed(self, entry: Entry, number: int) -> None:
        self._set(self.node_id, entry)
        self._untold.add(entry.key)
        self.numbers[self.node_id] = number

    def own(self) -> list[Entry]:
        return self.of(self.node_id)

    def untold(self) -> list[Entry]:
        """Own entries that changed since the last call of `tell`."""
        entries = (self._where.get(key, {}).get(self.node_id) for key in self._untold)
        return [entry for entry in entries if entry is not None]

    def tell(self) -> None:
        """The others are being told all of our changes."""
        self._untold.clear()
        self.told = self.numbers[self.node_id]

    # Other nodes

    def learn(self, node: str, number: int, entries: Iterable[Entry]) -> None:
        """A node told all of its users; nothing happens if we know of later changes already."""
        if number < self.numbers.get(node, 0):
            return
        self._take_out(node)
        self.numbers[node] = number
        for entry in entries:
            self._set(node, entry)

    def apply(self, node: str, after: int, number: int, entries: Iterable[Entry]) -> bool:
        """A node told a change; False if we missed the one before it, and must ask."""
        known = self.numbers.get(node)
        if known is None or known < after:
            return False
        if number > known:
            self.numbers[node] = number
            for entry in entries:
                self._set(node, entry)
        return True

    def drop(self, node: str) -> None:
        """A node is gone, or no longer hosts the room."""
        if self.numbers.pop(node, None) is not None:
            self._take_out(node)

    def of(self, node: str) -> list[Entry]:
        """What we know of the users of a node; those who left included."""
        return [nodes[node] for nodes in self._where.values() if node in nodes]

    # The whole

    def present(self) -> tuple[Present, ...]:
        """Who was in the room at the last `take`; who came first stands first."""
        return in_order(self._shown.values())

    def everyone(self) -> tuple[Present, ...]:
        """Who is in the room now; who came first stands first."""
        present = (self._merged(key) for key in self._where)
        return in_order(p for p in present if p is not None)

    @property
    def touched(self) -> frozenset[UserKey]:
        """The users for whom something changed since the last `take`."""
        return frozenset(self._touched)

    def take(self) -> tuple[tuple[Present, ...], tuple[Present, ...]]:
        """Who joined and who left since the last call."""
        joined, left = [], []
        touched, self._touched = self._touched, set()
        for key in touched:
            present = self._merged(key)
            before = self._shown.pop(key, None)
            if present is not None:
                self._shown[key] = present
                if before is None:
                    joined.append(present)
            elif before is not None:
                left.append(before)
        return in_order(joined), in_order(left)

    def settle(self) -> None:
        """All nodes had time to tell us their users. Whom others had first, they announce."""
        for key, nodes in self._where.items():
            here = {node: entry for node, entry in nodes.items() if entry.here}
            if here and _first(here) != self.node_id:
                self._announced[key] = here[_first(here)].user

    def confirm(self, key: UserKey) -> Transition | None:
        """What is to be announced of a user, now that every node had time to tell its part."""
        nodes = self._where.get(key, {})
        here = {node: entry for node, entry in nodes.items() if entry.here}
        if not here:
            self._where.pop(key, None)
        if bool(here) == (key in self._announced):
            return None
        if here:
            owner = _first(here)
            user = self._announced[key] = here[owner].user
            return Transition(user=user, joined=True, owner=owner)
        user = self._announced.pop(key)
        owner = (
            max(nodes, key=lambda node: (nodes[node].number, node))
            if nodes
            else min(self.numbers)  # the nodes that had the user are gone
        )
        return Transition(user=user, joined=False, owner=owner)

    # Private

    def _merged(self, key: UserKey) -> Present | None:
        present = merge(self._where.get(key, {}).values())
        shown = self._shown.get(key)
        if present is None or shown is None:
            return present
        # Who went from one node to another is here since they came to the first.
        return replace(present, since=min(shown.since, present.since))

    def _set(self, node: str, entry: Entry) -> None:
        self._where.setdefault(entry.key, {})[node] = entry
        self._touched.add(entry.key)

    def _take_out(self, node: str) -> None:
        for key, nodes in list(self._where.items()):
            if nodes.pop(node, None) is not None:
                self._touched.add(key)
                if not nodes:
                    del self._where[key]
