"""Sessions in Redis, written behind: a process that is killed leaves them as they were."""

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections.abc import Collection
from typing import Any

from ...aio.tasks import Tasks
from ...exceptions import ChannelLayerError
from ...logs import brief
from ..options import REFRESH, SLACK, of_site, options_of
from ..positions import Position
from ..sessions import Session
from ..store import Held, Refused
from . import scripts
from .connection import Redis, is_full

logger = logging.getLogger("realtime.recovery")

#: Sessions that are written in one pipeline.
AT_ONCE = 200
#: Seconds until a write that failed is tried again, unless there is more to write before.
RETRY = 1.0

#: What is to be done with a session.
KEEP, RELEASE, DROP = "keep", "release", "drop"


class Records:
    """The sessions of one node's sockets."""

    def __init__(self, redis: Redis, node_id: str) -> None:
        self._redis = redis
        self._node_id = node_id
        self._to_do: dict[Session, str] = {}
        #: Digests of what was written.
        self._written: dict[Session, bytes] = {}
        self._tasks = Tasks()
        self._writing = asyncio.Lock()
        self._flush: asyncio.Task[Any] | None = None
        self._news = asyncio.Event()
        self._in_trouble = False
        #: Keys of data that can't be kept, said once each.
        self._said: set[str] = set()

    def __len__(self) -> int:
        return len(self._written)

    async def take(
        self, pid: str, namespace: str, user: str, offset: Position, instead_of: Held | None
    ) -> Session | Held | Refused:
        """Take a session for a client that came back."""
        holder = _new_holder()
        old = "" if instead_of is None else instead_of.holder
        lasts = int(1000 * _lasts(namespace))
        args = [namespace, user, holder, self._node_id, old, lasts, offset]
        try:
            answer = await self._redis.call(scripts.TAKE, [self._redis.names.session(pid)], args)
        except ChannelLayerError as error:
            if is_full(error):  # which lasts; to wait would be in vain
                return Refused(f"the store of sessions is full ({brief(error)})")
            raise
        said = answer[0].decode()
        if said == "unknown":
            return Refused("its session is unknown, or has expired")
        if said == "user":
            return Refused("its session is another user's")
        if said == "held":
            return Held(answer[1].decode(), answer[2].decode())
        packed, floor, tried = answer[1:]
        state = self._redis.unpack(packed)
        return Session(
            pid=pid,
            sid=state["sid"],
            namespace=namespace,
            user=user,
            rooms=dict(state["rooms"]),
            presence=set(state["presence"]),
            ruled=state["ruled"],
            data=state["data"],
            floor=int(floor),
            tried=int(tried) if tried else None,
            node=self._node_id,
            holder=holder,
        )

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
        if session in self._written and session not in self._to_do:
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
                try:
                    await self._write(part)
                except ChannelLayerError:
                    self._to_do = part | self._to_do
                    raise

    async def _write(self, part: dict[Session, str]) -> None:
        calls: list[tuple[str, list[str], list[Any]]] = []
        for session, what in part.items():
            keys = [self._redis.names.session(session.pid)]
            if what == DROP:
                self._written.pop(session, None)
                calls.append((scripts.DROP, keys, [session.holder]))
            elif (state := self._changed(session, what)) is not None:
                calls.append((scripts.KEEP, keys, self._arguments(session, what, state)))
        await self._redis.pipelined(calls)

    def _changed(self, session: Session, what: str) -> bytes | None:
        """The state of a session, packed; None where it is written already."""
        state = self._state(session)
        said = repr((state, session.tried)).encode(errors="replace")
        digest = hashlib.blake2b(said, digest_size=16).digest()
        if what == RELEASE:
            self._written.pop(session, None)
        elif self._written.get(session) == digest:
            return None
        else:
            self._written[session] = digest
        return self._redis.pack(state)

    def _arguments(self, session: Session, what: str, state: bytes) -> list[Any]:
        is_free = what == RELEASE
        options = options_of(session.namespace) or of_site()
        seconds = options.window if is_free else _lasts(session.namespace)
        return [
            session.holder,
            self._node_id,
            int(is_free),
            session.namespace,
            session.user,
            state,
            session.floor,
            int(1000 * seconds),
            "" if session.tried is None else session.tried,
        ]

    def _state(self, session: Session) -> dict[str, Any]:
        return {
            "sid": session.sid,
            "rooms": [[room, joined] for room, joined in session.rooms.items()],
            "user": session.user,
            "presence": sorted(session.presence),
            "ruled": session.ruled,
            "data": self._kept(session.data),
        }

    def _kept(self, data: dict[str, Any]) -> dict[str, Any]:
        """What can be kept of a socket's data: plain values."""
        try:
            self._redis.pack({"data": data})
        except (TypeError, ValueError, OverflowError, RecursionError):
            return {key: value for key, value in list(data.items()) if self._can_keep(key, value)}
        return dict(data)

    def _can_keep(self, key: Any, value: Any) -> bool:
        try:
            self._redis.pack({"data": {key: value}})
        except (TypeError, ValueError, OverflowError, RecursionError):
            name = brief(repr(key), 100)
            if name not in self._said and len(self._said) < 1_000:
                self._said.add(name)
                logger.warning(
                    "self.data[%s] is a %s, which recovery can't keep: a client that comes back"
                    " won't find it. Keep plain values: text, numbers, lists, dicts, bytes, None.",
                    name,
                    type(value).__name__,
                )
            return False
        return True

    async def refresh(self, sessions: Collection[Session]) -> list[Session]:
        """Let sessions last on; those that others have. Raises ChannelLayerError."""
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
                elif not answer:  # Redis has forgotten it
                    self._written.pop(session, None)
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
