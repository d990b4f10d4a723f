"""What nodes tell each other about who is in a room.

A node that begins to host a room tells all of its users there to the others that do
(`presence.state`), and they answer with theirs. From then on it tells changes (`presence.change`),
and at the end that it no longer hosts the room (`presence.end`). All of these may be lost. So each
change says which one it follows, and who missed that one asks (`presence.ask`). And nodes compare
what they know of each other (`presence.sync`): when one comes, or comes back, when the layer was
away, and one node with one other every SYNC_INTERVAL, whatever happens.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..aio.tasks import Tasks
from ..cluster import groups
from ..cluster.bus import Message
from ..cluster.cluster import Cluster
from ..conf import settings
from ..engine.wheel import TimerWheel
from .post import PresencePost
from .room import HostedRoom, RoomKey
from .table import Entry

#: Seconds that the other nodes have to tell who is in a room that is new here.
SETTLE = 0.5
#: Seconds after which a node compares with one other, all in turn, though nothing is known to be
#: amiss.
SYNC_INTERVAL = 10.0
#: Seconds after which a comparison is tried again that was not answered, or a question repeated.
RETRY = 2.0
#: Seconds after which a node must have been heard to live, if it told of its users.
DOUBT = 15.0
#: Rooms in one message of a comparison.
AT_A_TIME = 200


class PresenceExchange:
    """Keeps the tables of our rooms as the other nodes tell it, and tells them of ours."""

    def __init__(
        self, cluster: Cluster, wheel: TimerWheel, changed: Callable[[HostedRoom], None]
    ) -> None:
        self.rooms: dict[RoomKey, HostedRoom] = {}
        self.post = PresencePost(cluster, self._unsure)
        self._cluster = cluster
        self._wheel = wheel
        self._changed = changed
        self._clock = 0
        self._tasks = Tasks()
        self._keeper: asyncio.Task[None] | None = None
        #: Nodes that may not know what we know, and when we last tried to find out.
        self._unsynced: dict[str, float] = {}
        self._doubted: set[str] = set()
        self._turn = ""
        cluster.bus.on |= {
            "presence.state": self._heard_state,
            "presence.change": self._heard_change,
            "presence.ask": self._heard_ask,
            "presence.sync": self._heard_sync,
            "presence.end": self._heard_end,
        }
        cluster.nodes.came.append(self._unsure_of)
        cluster.nodes.gone.append(self._gone)
        cluster.nodes.recovered.append(self._unsure)

    def tick(self) -> int:
        """The number of a change of ours: higher than any that we have seen."""
        self._clock = max(self._clock + 1, int(time.time() * 1000))
        return self._clock

    async def stop(self) -> None:
        """Stop telling."""
        await self._tasks.end()
        await self.post.stop()

    # Telling

    def host(self, room: HostedRoom) -> None:
        """We host a room from now on."""
        self.rooms[room.key] = room
        if self._keeper is None or self._keeper.done():
            self._keeper = self._tasks.start(self._keep_synced())
        self._tasks.start(self._introduce(room))

    async def _introduce(self, room: HostedRoom) -> None:
        # A need of our own: users in their grace are in the room when no socket is.
        await self._cluster.memberships.subscribe([room.key])
        room.introduced = True
        if self.post.is_alone:
            self._settle(room)
            return
        self._tell_state(groups.group_name(*room.key), [room], ask=True)
        room.table.tell()
        asyncio.get_running_loop().call_later(SETTLE, self._settle, room)

    def _settle(self, room: HostedRoom) -> None:
        if not room.settled:
            room.settled = True
            room.table.settle()
            self._changed(room)

    def tell_changes(self, room: HostedRoom) -> None:
        """Tell the other nodes what changed among our users in a room."""
        table = room.table
        entries, after = table.untold(), table.told
        if not entries or not room.introduced:
            return
        table.tell()
        body = {"room": room.key, "after": after, "last": table.told, "entries": _pack(entries)}
        self.post.put(groups.group_name(*room.key), "presence.change", body)

    def end(self, room: HostedRoom) -> None:
        """We no longer host a room."""
        del self.rooms[room.key]
        self.post.put(groups.group_name(*room.key), "presence.end", {"rooms": [room.key]})
        self._cluster.memberships.unsubscribe([room.key])

    def _tell_state(self, group: str, rooms: Iterable[HostedRoom], *, ask: bool) -> None:
        for room in rooms:
            table = room.table
            state = [room.number, room.settled, list(table.numbers), _pack(table.own())]
            self.post.put(group, "presence.state", {"room": room.key, "state": state, "ask": ask})

    # Comparing

    def _unsure(self) -> None:
        for node in self._cluster.nodes.live:
            self._unsure_of(node)

    def _unsure_of(self, node: str) -> None:
        self._unsynced[node] = float("-inf")

    async def _keep_synced(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + SYNC_INTERVAL
        while self.rooms:
            if loop.time() > due:
                due = loop.time() + SYNC_INTERVAL
                self._take_a_turn()
            self._sync_the_unsynced(loop.time())
            await asyncio.sleep(RETRY / 4)

    def _take_a_turn(self) -> None:
        live = sorted(self._cluster.nodes.live)
        if live:
            self._turn = next((node for node in live if node > self._turn), live[0])
            self._unsynced.setdefault(self._turn, float("-inf"))

    def _sync_the_unsynced(self, now: float) -> None:
        if self._cluster.bus.in_trouble:
            return
        for node, tried in list(self._unsynced.items()):
            if node not in self._cluster.nodes.live:
                del self._unsynced[node]
            elif now - tried >= RETRY:
                self._unsynced[node] = now
                self._sync(node, self.rooms.values(), is_answer=False)

    def _sync(self, node: str, rooms: Iterable[HostedRoom], *, is_answer: bool) -> None:
        facts = [[*room.key, room.number, node in room.table.numbers] for room in rooms]
        for start in range(0, max(1, len(facts)), AT_A_TIME):
            body = {
                "rooms": facts[start : start + AT_A_TIME],
                "last": start + AT_A_TIME >= len(facts),
                "answer": is_answer,
            }
            self.post.put(groups.node_group(node), "presence.sync", body)

    def _heard_sync(self, message: Message) -> None:
        node: str = message["node"]
        missed, not_ours = [], []
        for namespace, name, number, is_believed_ours in message["rooms"]:
            room = self.rooms.get((namespace, name))
            if room is None and is_believed_ours:
                not_ours.append((namespace, name))
            elif room is None:
                continue
            elif room.table.numbers.get(node, -1) < number:
                missed.append(room)
        for room in missed:
            self._ask(node, room)
        if not_ours:
            self.post.put(groups.node_group(node), "presence.end", {"rooms": not_ours})
        if message["last"] and message["answer"]:
            self._unsynced.pop(node, None)
        elif message["last"]:
            shared = [room for room in self.rooms.values() if node in room.table.numbers]
            self._sync(node, shared, is_answer=True)

    def _ask(self, node: str, room: HostedRoom) -> None:
        if room.may_ask(node, RETRY / 2):
            body = {"room": room.key, "ours": room.number}
            self.post.put(groups.node_group(node), "presence.ask", body)

    # Hearing

    def _heard_ask(self, message: Message) -> None:
        node, key = message["node"], _key(message["room"])
        room = self.rooms.get(key)
        if room is None:
            self.post.put(groups.node_group(node), "presence.end", {"rooms": [key]})
            return
        self._tell_state(groups.node_group(node), [room], ask=False)
        if room.table.numbers.get(node, -1) < message["ours"]:
            self._ask(node, room)

    def _heard_state(self, message: Message) -> None:
        node: str = message["node"]
        number, settled, hosts, entries = message["state"]
        self._clock = max(self._clock, number)
        room = self.rooms.get(_key(message["room"]))
        if room is None:
            return
        self._doubt(node)
        room.table.learn(node, number, map(Entry.unpack, entries))
        if message["ask"]:
            self._tell_state(groups.node_group(node), [room], ask=False)
        elif settled and room.table.numbers.keys() >= set(hosts):
            self._settle(room)  # everyone has told us
        self._changed(room)

    def _heard_change(self, message: Message) -> None:
        node: str = message["node"]
        self._clock = max(self._clock, message["last"])
        room = self.rooms.get(_key(message["room"]))
        if room is None:
            return
        entries = map(Entry.unpack, message["entries"])
        if room.table.apply(node, message["after"], message["last"], entries):
            self._changed(room)
        else:
            self._ask(node, room)

    def _heard_end(self, message: Message) -> None:
        for key in map(_key, message["rooms"]):
            room = self.rooms.get(key)
            if room is not None:
                room.table.drop(message["node"])
                self._changed(room)

    # Nodes that are gone

    def _gone(self, node: str) -> None:
        self._wheel.after(settings.PRESENCE_GRACE, self._bury, node)

    def _doubt(self, node: str) -> None:
        """A message may be the last of a node that is gone already."""
        if node not in self._cluster.nodes.live and node not in self._doubted:
            self._doubted.add(node)
            self._wheel.after(DOUBT, self._bury, node)

    def _bury(self, node: str) -> None:
        self._doubted.discard(node)
        if node in self._cluster.nodes.live:
            return
        for room in self.rooms.values():
            if node in room.table.numbers:
                room.table.drop(node)
                self._changed(room)


def _pack(entries: Iterable[Entry]) -> list[list[Any]]:
    return [entry.pack() for entry in entries]


def _key(values: Any) -> RoomKey:
    namespace, name = values
    return namespace, name
