"""What Redis keeps of a session as one packed value: its state."""

import hashlib
import logging
from typing import Any

from ...logs import brief
from ..sessions import Session
from .connection import Redis

logger = logging.getLogger("realtime.recovery")

#: Keys of data that are remembered for having been warned of.
MOST_WARNINGS = 1_000


class States:
    """Turns the sessions of one node into states, and states into sessions."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        #: Keys of data that can't be kept, of which the log was told.
        self._warned: set[str] = set()

    def of(self, session: Session) -> dict[str, Any]:
        return {
            "sid": session.sid,
            "rooms": [[room, joined] for room, joined in session.rooms.items()],
            "user": session.user,
            "presence": sorted(session.presence),
            "ruled": session.ruled,
            "data": self._kept(session.data),
        }

    def pack(self, state: dict[str, Any]) -> bytes:
        return self._redis.pack(state)

    def session(self, packed: bytes, **others: Any) -> Session:
        """The session of a state; `others` are the fields that are not in it.

        Raises whatever the layer's serializer does, and KeyError or TypeError for a state that
        another release wrote in another way.
        """
        state = self._redis.unpack(packed)
        return Session(
            sid=state["sid"],
            rooms=dict(state["rooms"]),
            user=state["user"],
            presence=set(state["presence"]),
            ruled=state["ruled"],
            data=state["data"],
            **others,
        )

    def _kept(self, data: dict[str, Any]) -> dict[str, Any]:
        """What can be kept of a socket's data: plain values."""
        if not data or self._is_plain(data):
            return dict(data)
        return {key: value for key, value in list(data.items()) if self._can_keep(key, value)}

    def _is_plain(self, data: dict[str, Any]) -> bool:
        """Whether it can be read again: msgpack writes keys that are not strings, but refuses them
        when it reads."""
        try:
            self._redis.unpack(self._redis.pack({"data": data}))
        except (TypeError, ValueError, OverflowError, RecursionError):
            return False
        return True

    def _can_keep(self, key: Any, value: Any) -> bool:
        if self._is_plain({key: value}):
            return True
        name = brief(repr(key), 100)
        if name not in self._warned and len(self._warned) < MOST_WARNINGS:
            self._warned.add(name)
            logger.warning(
                "self.data[%s] is a %s, which recovery can't keep: a client that comes back"
                " won't find it. Keep plain values: text, numbers, bytes, None, lists, and"
                " dicts whose keys are text.",
                name,
                type(value).__name__,
            )
        return False


def digest_of(state: dict[str, Any], session: Session) -> bytes:
    """What tells whether a session has changed since it was written."""
    said = repr((state, session.tried, session.came_as)).encode(errors="replace")
    return hashlib.blake2b(said, digest_size=16).digest()
