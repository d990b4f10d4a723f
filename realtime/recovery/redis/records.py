"""Sessions in Redis, written behind: a process that is killed leaves them as they were."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Collection
from typing import Any

from ...aio.tasks import Tasks
from ...exceptions import ChannelLayerError
from ...logs import brief
from ...node.keeping import Change
from .. import changes
from ..options import REFRESH, SLACK, of_site, options_of
from ..positions import Position, from_text
from ..sessions import Session
from ..store import Held, Refused
from . import scripts
from .connection import Redis, is_full
from .states import States, digest_of

logger = logging.getLogger("realtime.recovery")

#: Sessions that are written in one pipeline.
AT_ONCE = 200
#: Seconds until a write that failed is tried again, unless there is more to write before.
RETRY = 1.0

#: How many operations are remembered for sockets that are away, and for how many milliseconds
#: after the last one.
MOST_CHANGES = 10_000
CHANGES_LAST = 7 * 24 * 3600 * 1000
#: What is to be done with a session.
KEEP, RELEASE, DROP = "keep", "release", "drop"


class Records:
    """The sessions of one node's sockets."""

    def __init__(self, redis: Redis, node_id: str) -> None:
        self._redis = redis
        self._node_id = node_id
        self._states = States(redis)
        self._to_do: dict[Session, str] = {}
        #: The same, of what Redis has been told and has not answered yet.
        self._under_way: dict[Session, str] = {}
        #: Digests of what was written.
        self._written: dict[Session, bytes] = {}
        self._tasks = Tasks()
        self._writing = asyncio.Lock()
        self._flush: asyncio.Task[Any] | None = None
        self._news = asyncio.Event()
        self._in_trouble = False

    def __len__(self) -> int:
        return len(self._written)

    async def take(
        self, pid: str, namespace: str, user: str, offset: Position, instead_of: Held | None
    ) -> Session | Held | Refused:
        """Take a session for a client that came back."""
        holder = _new_holder()
        old = "" if instead_of is None else instead_of.holder
        lasts = int(1000 * _lasts(namespace))
        args = [namespace, user, holder, self._node_id, old, lasts, offset, MOST_CHANGES]
        names = self._redis.names
        try:
            answer = await self._redis.call(scripts.TAKE, [names.session(pid), names.changes], args)
        except ChannelLayerError as error:
            if is_full(error):  # which lasts; to wait would be in vain
                return Refused(f"the store of sessions is full ({brief(error)})")
            raise
        said = answer[0].decode()
        if said == "unknown":
            return Refused("its session is unknown, or has expired")
        if said == "user":
            return Refused("its session is another user's")
        if said == "unsure":
            return Refused("more operations were carried out meanwhile than are remembered")
        if said == "held":
            return Held(answer[1].decode(), answer[2].decode())
        packed, floor, tried, since, changed = answer[1:]
        try:
            session = self._states.session(
                packed,
                pid=pid,
                namespace=namespace,
                came_as=user,
                floor=int(floor),
                tried=int(tried) if tried else None,
                lost_before=from_text(since.decode()) or 0,
                node=self._node_id,
                holder=holder,
            )
        except Exception as error:  # whatever it raises: another release may have written it
            return Refused(f"its session can't be read ({brief(error)})")
        self._written[session] = b""  # by another holder
        for id, fields in changed:
            if not self._apply(id, fields[1], session):
                self.drop(session)
                return Refused("it was disconnected by an operation")
        return session

    def _apply(self, id: bytes, packed: bytes, session: Session) -> bool:
        said = self._redis.unpack(packed)
        to = None if said["to"] is None else tuple(said["to"])
        change = Change(said["kind"], said["room"], to, said["namespace"])
        return changes.apply(change, session, from_text(id.decode()) or 0)

    async def change(self, change: Change) -> None:
        """Remember what an operation did, for sockets that are away. Raises ChannelLayerError."""
        # Whoever went away before it has to be written before it.
        await self.settle()
        args = [MOST_CHANGES, CHANGES_LAST, self._redis.pack(change._asdict())]
        await self._redis.call(scripts.CHANGE, [self._redis.names.changes], args)

    # Writing

    def keep(self, session: Session) -> None:
        session.holder = session.holder or _new_holder()
        self._note(session, KEEP)

    def release(self, session: Session) -> None:
        self._note(session, RELEASE)

    def drop(self, session: Session) -> None:
        self._note(session, DROP)

    def touch(self, session: Session) -> None:
        """Its data may have changed."""
        if session in self._to_do:
            return
        under_way = self._under_way.get(session)
        # What is being written was read before the change; what is being dropped stays dropped.
        if under_way == KEEP or (under_way is None and session in self._written):
            self._note(session, KEEP)

    def _note(self, session: Session, what: str) -> None:
        self._to_do[session] = what
        self._news.set()
        if self._flush is None or self._flush.done():
            self._flush = self._tasks.start(self._write_on())

    async def _write_on(self) -> None:
        while self._to_do:
            self._news.clear()
            try:
                await self.settle()
            except ChannelLayerError as error:
                self._trouble(error)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY):
                        await self._news.wait()
            else:
                self._in_trouble = False

    def _trouble(self, error: ChannelLayerError) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            logger.warning("recovery sessions are not written for now: %s", brief(error))

    async def settle(self) -> None:
        """Write what is to be written. Raises ChannelLayerError."""
        async with self._writing:
            while self._to_do:
                part = dict(list(self._to_do.items())[:AT_ONCE])
                for session in part:
                    del self._to_do[session]
                self._under_way = part
                try:
                    await self._write(part)
                except ChannelLayerError:
                    self._to_do = part | self._to_do
                    raise
                finally:
                    self._under_way = {}

    async def _write(self, part: dict[Session, str]) -> None:
        calls: list[tuple[str, list[str], list[Any]]] = []
        written: dict[Session, bytes | None] = {}
        for session, what in part.items():
            key = self._redis.names.session(session.pid)
            if what == DROP:
                written[session] = None
                calls.append((scripts.DROP, [key], [session.holder]))
                continue
            state = self._states.of(session)
            digest = digest_of(state, session)
            if what == RELEASE or self._written.get(session) != digest:
                written[session] = None if what == RELEASE else digest
                names = self._redis.names
                keys = [key, names.head(session.namespace), names.changes]
                packed = self._states.pack(state)
                calls.append((scripts.KEEP, keys, self._arguments(session, what, packed)))
        await self._redis.pipelined(calls)
        for session, now in written.items():
            if now is None:
                self._written.pop(session, None)
            else:
                self._written[session] = now

    def _arguments(self, session: Session, what: str, state: bytes) -> list[Any]:
        is_free = what == RELEASE
        options = options_of(session.namespace) or of_site()
        seconds = options.window if is_free else _lasts(session.namespace)
        return [
            session.holder,
            self._node_id,
            int(is_free),
            session.namespace,
            session.came_as,
            state,
            session.floor,
            int(1000 * seconds),
            "" if session.tried is None else session.tried,
            int(session in self._written),
        ]

    async def refresh(self, sessions: Collection[Session]) -> list[Session]:
        """Extend the time that sessions last; return those that have another holder by now.

        Raises ChannelLayerError.
        """
        lost: list[Session] = []
        waiting = list(sessions)
        for start in range(0, len(waiting), AT_ONCE):
            part = waiting[start : start + AT_ONCE]
            calls = [
                (
                    scripts.REFRESH,
                    [self._redis.names.session(session.pid)],
                    [session.holder, session.floor, int(1000 * _lasts(session.namespace))],
                )
                for session in part
            ]
            answers = await self._redis.pipelined(calls)
            for session, answer in zip(part, answers, strict=True):
                if answer < 0:
                    lost.append(session)
                elif not answer:  # Redis lost it; that it was written before is told to KEEP
                    self._written[session] = b""
                    self._note(session, KEEP)
        return lost

    async def stop(self) -> None:
        """The node is about to stop."""
        await self._tasks.end()
        await self.settle()


def _lasts(namespace: str) -> float:
    """Seconds that a session outlives the last sign of its node."""
    options = options_of(namespace) or of_site()
    return options.window + REFRESH + SLACK


def _new_holder() -> str:
    return secrets.token_urlsafe(9)
