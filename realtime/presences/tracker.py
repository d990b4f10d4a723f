"""Where the users of the sockets of this process are, as clients, nodes and signals are told.

Only sockets that joined a room with `presence=True` count in it, and only rooms with such sockets
cost anything. For all other sockets, only their number for each user is kept: who is online.
"""

import asyncio
import logging
import time
from collections import Counter
from typing import Any

from ..cluster.cluster import Cluster
from ..conf import settings
from ..engine.wheel import Handle, TimerWheel
from ..node.followers import Follower
from ..node.sockets import Socket, State
from ..node.users import UserInfo
from .announcer import Announcer
from .clients import listed, tell
from .exchange import PresenceExchange
from .room import HostedRoom, RoomKey
from .table import Present, RoomTable, UserKey, key_of

logger = logging.getLogger("realtime.presence")

#: Seconds for which changes are gathered, before clients and nodes are told of them together.
GATHER = 0.1
#: Seconds in which other nodes may tell their part of a change, before a signal is sent for it.
CONFIRM = 0.5
#: Seconds for which a room is still followed when nobody here needs it: for those that come back,
#: and to see the end of what changes on other nodes at that moment.
LINGER = 5.0


class Presence(Follower):
    """The presence of one node's sockets."""

    def __init__(self, cluster: Cluster, wheel: TimerWheel) -> None:
        self._cluster = cluster
        self._wheel = wheel
        self._exchange = PresenceExchange(cluster, wheel, self._changed)
        #: The rooms that each socket wants to be present in, by its sid.
        self._wanted: dict[str, set[str]] = {}
        self._dirty: set[HostedRoom] = set()
        self._flush: asyncio.TimerHandle | None = None
        #: Sockets of each user here, and users that have none, in their grace.
        self._online: Counter[UserKey] = Counter()
        self._going: dict[UserKey, Handle] = {}
        self._announcer = Announcer()
        cluster.requests.answers["presence.room"] = self._answer_room
        cluster.requests.answers["presence.online"] = self._answer_online

    async def stop(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
        await self._exchange.stop()
        await self._announcer.stop()

    # Sockets

    def wants_presence(self, socket: Socket, room: str) -> None:
        if socket.state is State.CLOSED:
            return
        self._wanted.setdefault(socket.sid, set()).add(room)
        if socket.state is State.CONNECTED:
            self._enter(socket, room)

    def accepted(self, socket: Socket) -> None:
        user = _user(socket)
        if user is not None:
            key = key_of(user)
            self._online[key] += 1
            _cancel(self._going.pop(key, None))
        for room in self._wanted.get(socket.sid, ()):
            self._enter(socket, room)

    def left(self, socket: Socket, room: str) -> None:
        wanted = self._wanted.get(socket.sid, set())
        if room in wanted:
            wanted.discard(room)
            self._exit(socket, room)

    def removed(self, socket: Socket) -> None:
        self.renaming(socket)
        self._wanted.pop(socket.sid, None)

    def renaming(self, socket: Socket) -> None:
        user = _user(socket)
        if user is not None:
            self._offline(key_of(user))
        for room in self._wanted.get(socket.sid, ()):
            self._exit(socket, room)

    def renamed(self, socket: Socket) -> None:
        self.accepted(socket)

    def refused(self, socket: Socket) -> None:
        self._wanted.pop(socket.sid, None)

    def _offline(self, key: UserKey) -> None:
        self._online[key] -= 1
        if self._online[key] <= 0:
            del self._online[key]
            self._going[key] = self._wheel.after(
                settings.PRESENCE_GRACE, self._going.pop, key, None
            )

    def _enter(self, socket: Socket, name: str) -> None:
        room = self._exchange.rooms.get((socket.namespace, name))
        if room is None:
            room = HostedRoom(
                (socket.namespace, name), RoomTable(self._cluster.node_id, self._exchange.tick())
            )
            self._exchange.host(room)
        if socket in room.watchers:
            return
        room.watchers.add(socket)
        room.newcomers.add(socket)
        _cancel(room.idle)
        user = _user(socket)
        if user is not None:
            key = key_of(user)
            _cancel(room.leaving.pop(key, None))
            room.sockets[key] += 1
            self._put(room, user)
        self._changed(room)

    def _exit(self, socket: Socket, name: str) -> None:
        room = self._exchange.rooms.get((socket.namespace, name))
        if room is None or socket not in room.watchers:
            return
        room.watchers.discard(socket)
        room.newcomers.discard(socket)
        user = _user(socket)
        if user is not None:
            key = key_of(user)
            room.sockets[key] -= 1
            self._put(room, user)
            if not room.sockets[key]:
                del room.sockets[key]
                room.leaving[key] = self._wheel.after(
                    settings.PRESENCE_GRACE, self._left, room, user
                )
        self._let_go(room)

    def _put(self, room: HostedRoom, user: UserInfo) -> None:
        sockets = room.sockets[key_of(user)]
        room.table.put(user, sockets, now=time.time(), number=self._exchange.tick())
        self._changed(room)

    def _left(self, room: HostedRoom, user: UserInfo) -> None:
        del room.leaving[key_of(user)]
        room.table.remove(user, number=self._exchange.tick())
        self._changed(room)
        self._let_go(room)

    def _let_go(self, room: HostedRoom) -> None:
        if not room.is_needed:
            _cancel(room.idle)
            room.idle = self._wheel.after(LINGER, self._exchange.end, room)

    # Changes

    def _changed(self, room: HostedRoom) -> None:
        self._dirty.add(room)
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(GATHER, self._flush_all)

    def _flush_all(self) -> None:
        self._flush = None
        dirty, self._dirty = self._dirty, set()
        for room in dirty:
            try:
                self._flush_one(room)
            except Exception:
                logger.exception("presence changes in room %r could not be reported", room.key)

    def _flush_one(self, room: HostedRoom) -> None:
        self._exchange.tell_changes(room)
        if not room.settled:
            return
        touched = room.table.touched
        joined, left = room.table.take()
        if joined or left:
            differences = {"joined": listed(joined), "left": listed(left)}
            tell(room, room.watchers - room.newcomers, "presence:diff", differences)
        if room.newcomers:
            tell(room, room.newcomers, "presence:state", listed(room.table.present()))
            room.newcomers.clear()
        if touched:
            seconds = 0.0 if self._exchange.post.is_alone else CONFIRM
            room.doubt(touched, [key_of(p.user) for p in (*joined, *left)], seconds)
            asyncio.get_running_loop().call_later(seconds, self._confirm, room)

    # Signals

    def _confirm(self, room: HostedRoom) -> None:
        for key in room.certain():
            transition = room.table.confirm(key)
            if transition is not None and transition.owner == self._cluster.node_id:
                self._announcer.announce(room.key, transition)

    # Questions

    def present(self, key: RoomKey) -> tuple[Present, ...] | None:
        """Who is in a room; None if this process does not know."""
        room = self._exchange.rooms.get(key)
        if room is None or not room.settled:
            return None
        return room.table.everyone()

    def is_online(self, key: UserKey) -> bool:
        """Whether a user has a socket in this process, or may come back in a moment."""
        return key in self._online or key in self._going

    def _answer_online(self, body: dict[str, Any]) -> bool:
        model, pk = body["user"]
        return self.is_online((model, pk))

    def _answer_room(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Our own users, those of nodes that can't answer, and who else hosts the room."""
        room = self._exchange.rooms.get((body["namespace"], body["room"]))
        if room is None:
            return None
        table, own = room.table, self._cluster.node_id
        silent = {*body["silent"], *(table.numbers.keys() - self._cluster.nodes.live.keys())}
        told = [node for node in table.numbers if node == own or node in silent]
        users = {node: [entry.pack() for entry in table.of(node)] for node in told}
        return {"hosts": list(table.numbers), "users": users}


def _user(socket: Socket) -> UserInfo | None:
    return None if socket.user is None else UserInfo(**socket.user)


def _cancel(handle: Handle | None) -> None:
    if handle is not None:
        handle.cancel()
