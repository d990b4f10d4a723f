"""Closes the connections of clients whose logins have ended: as it hears so, and as it looks."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from ..aio.tasks import Tasks
from ..cluster.beats import LEASE
from ..cluster.bus import Message
from ..cluster.losses import Losses
from ..conf import settings
from ..exceptions import ChannelLayerError
from ..logs import facts
from ..metrics.counters import announce, count
from ..node.followers import Follower
from ..node.node import ServingNode
from ..node.sockets import Socket
from ..signals import login_ended
from . import logins
from .expiry import Expiries
from .login import Login, Notice, ends, is_other
from .looking import still_hold
from .memory import Id, memory
from .telling import KIND, last_told

logger = logging.getLogger("realtime.revocation")

#: Seconds between two turns of the upkeep.
UPKEEP_INTERVAL = 1.0
#: Seconds between two turns after which this process stood still, and may have missed something.
STOOD_STILL = 3 * UPKEEP_INTERVAL
#: Seconds between two looks at all while this node may miss what others tell.
IN_DOUBT = 5.0
#: Of the interval that is promised, the share after which a look begins; the rest is for its end.
SHARE = 0.8
#: Logins that one query looks for: no database of Django's takes fewer values than 999.
BATCH = 900
#: Seconds between two such queries, for the event loop to do other things.
PAUSE = 0.05
#: Notices that a node answers with when it is asked for those of the last minutes.
MAX_ANSWERED = 1_000
#: All notices of a node are one series of numbers.
SERIES = 1


class Guard(Follower):
    """Knows as whom each socket of this node is logged in, also while it is still connecting."""

    def __init__(self, node: ServingNode) -> None:
        self._node = node
        self._logins: dict[Socket, Login] = {}
        #: By the digest of a session, and by the room of a user.
        self._index: dict[str, set[Socket]] = {}
        self._expiries = Expiries(node.wheel, lambda socket: self._close(socket, "expiry"))
        self._missed = Losses()
        self._looked_at = self._sound_at = time.monotonic()
        #: Whether something may have passed us by since the last look at all.
        self._in_doubt = False
        #: Whether the others have to be asked for what they told.
        self._to_ask = False
        #: Who hears notices that are not about logins, with the ids that their senders gave them;
        #: and who looks again at what is here when such notices may have been missed.
        self.on_other: list[Callable[[Id, Notice], None]] = []
        self.on_doubt: list[Callable[[], None]] = []
        self._tasks = Tasks()
        # Its own: handlers that hold all threads of the process must not hold up a look.
        self._thread = ThreadPoolExecutor(1, "realtime-logins")
        node.bus.on[KIND] = self._heard
        node.requests.answers["revocations"] = self._recent
        node.bus.on_trouble.append(self._trouble)
        node.cluster.nodes.recovered.append(self._trouble)
        node.cluster.on_lost.append(lambda groups, count: self._trouble())

    # What the node tells of its sockets

    def start(self) -> None:
        logins.connect_sessions()
        self._looked_at = self._sound_at = time.monotonic()
        self._tasks.start(self._keep_looking())

    async def stop(self) -> None:
        self._expiries.stop()
        await self._tasks.end()
        self._thread.shutdown(wait=False)

    def identified(self, socket: Socket) -> None:
        self._forget(socket)
        login: Login | None = socket.login
        if login is None:
            return
        self._logins[socket] = login
        for key in _keys(login):
            self._index.setdefault(key, set()).add(socket)
        if login.expires is not None:
            self._expiries.add(socket, login.expires)
        if memory.has_ended(login.session):
            self._close(socket, "log-out")

    async def confirm(self, socket: Socket) -> None:
        login = self._logins.get(socket)
        if login is None or login.user_id is None:
            return
        if not await sync_to_async(still_hold)([login]):
            self._close(socket, "look")

    def refused(self, socket: Socket) -> None:
        self._forget(socket)

    def removed(self, socket: Socket) -> None:
        self._forget(socket)

    def _forget(self, socket: Socket) -> None:
        login = self._logins.pop(socket, None)
        if login is not None and login.expires is not None:
            self._expiries.discard(socket, login.expires)
        for key in () if login is None else _keys(login):
            self._index[key].discard(socket)
            if not self._index[key]:
                del self._index[key]

    # What others tell

    def _heard(self, message: Message) -> None:
        sender, number = message["node"], message["nth"]
        self._missed.heard(sender, KIND, SERIES, number, time.monotonic())
        if is_other(message["notice"]):
            for hear in self.on_other:
                hear((sender, number), message["notice"])
            return
        is_late = memory.note((sender, number), message["notice"])
        self._apply(message["notice"], is_late)

    def sockets_of(self, room: str) -> Collection[Socket]:
        """The sockets here of the user with this room, also while they connect."""
        return self._index.get(room, ())

    def _apply(self, notice: Notice, is_late: bool) -> None:
        """Do what a notice says; one that comes late or again may be true no more of a user."""
        concerned = self._index.get(notice.get("session") or notice["room"], ())
        if concerned and "room" in notice and (is_late or notice.get("look", False)):
            self._tasks.start(self._look({self._logins[socket] for socket in concerned}))
            return
        for socket in list(concerned):
            login = self._logins.get(socket)  # None once its connection closed with another's
            if login is not None and ends(login, notice):
                self._close(socket, notice["cause"])

    def _close(self, socket: Socket, cause: str) -> None:
        """End the whole connection: its other sockets have the same cookies."""
        connection = socket.connection
        if connection.closed:
            return
        count("closed.revoked")
        count(f"revoked.{cause}")
        logger.info(
            "closed the connection of %s, whose login has ended: %s",
            socket.sid,
            cause,
            extra=facts(sid=socket.sid, namespace=socket.namespace)
            | {"user": None if socket.user is None else socket.user["pk"]},
        )
        announce(login_ended, cause=cause, sid=socket.sid, namespace=socket.namespace)
        connection.close("forced close")

    # What was missed

    def _trouble(self) -> None:
        self._in_doubt = self._to_ask = True

    def _recent(self, body: Message) -> dict[str, Any]:
        """What this node told and heard lately, for one that may have missed it."""
        number, at = last_told(self._node.id)
        latest = [[*id, notice] for id, notice in memory.latest(MAX_ANSWERED)]
        return {"last": number, "age": time.monotonic() - at, "latest": latest}

    async def _ask(self) -> None:
        self._to_ask = False
        nodes = self._node.cluster.nodes
        gap = time.monotonic() - self._sound_at + LEASE * nodes.interval
        try:
            replies = await self._node.requests.ask("revocations", nodes=list(nodes.live))
        except ChannelLayerError:
            self._to_ask = True
            return
        now = time.monotonic()
        if replies.missing:  # nor may we hear: ask until each has answered, or is gone
            self._to_ask = True
        elif not self._to_ask:
            self._sound_at = now
        for node, reply in replies.answers.items():
            if reply["last"]:
                self._missed.compare(node, KIND, SERIES, reply["last"], reply["age"], gap, now)
            for sender, number, notice in reply["latest"]:
                memory.note((sender, number), notice)
                self._apply(notice, is_late=True)

    def _count_missed(self) -> None:
        missed = self._missed.lost(time.monotonic()).total()
        if missed:
            count("revocations.missed", missed)
            logger.warning(
                "%d messages about ended logins did not reach this process; it looks up the"
                " logins of all its sockets again",
                missed,
            )
            self._trouble()

    # Looking

    async def _keep_looking(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(UPKEEP_INTERVAL)
            if time.monotonic() - before > STOOD_STILL:
                self._trouble()
            self._count_missed()
            is_well = self._node.cluster.nodes.healthy and not self._node.bus.in_trouble
            if not is_well:
                self._in_doubt = True
            elif self._to_ask:
                await self._ask()
            elif not self._in_doubt:
                self._sound_at = time.monotonic()
            since = time.monotonic() - self._looked_at
            if since >= SHARE * settings.LOGIN_CHECK_INTERVAL or (
                self._in_doubt and since >= min(IN_DOUBT, SHARE * settings.LOGIN_CHECK_INTERVAL)
            ):
                if self._in_doubt:
                    for look in self.on_doubt:
                        look()
                self._in_doubt = False
                self._looked_at = time.monotonic()
                await self._look(set(self._logins.values()))

    async def _look(self, logins: Collection[Login]) -> None:
        """Look logins up again, and close the connections of those that have ended."""
        loop = asyncio.get_running_loop()
        waiting = [login for login in logins if login.user_id is not None]
        for start in range(0, len(waiting), BATCH):
            batch = waiting[start : start + BATCH]
            try:
                holding = await loop.run_in_executor(self._thread, _look_up, batch)
            except Exception:  # each database, and each cache, has errors of its own
                count("revocations.unlooked")
                logger.exception("logins could not be looked up; the next look-up tries them again")
                return
            self._end(set(batch) - holding)
            await asyncio.sleep(PAUSE)

    def _end(self, ended: Iterable[Login]) -> None:
        for login in ended:
            for socket in list(self._index.get(login.room, ())):
                if self._logins.get(socket) == login:
                    self._close(socket, "look")


def _look_up(batch: Collection[Login]) -> set[Login]:
    close_old_connections()
    try:
        return still_hold(batch)
    finally:
        close_old_connections()


def _keys(login: Login) -> list[str]:
    return [login.room] if login.session is None else [login.room, login.session]
