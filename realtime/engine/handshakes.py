"""Handshakes: what is wrong with one, told by code and to the log in words; else the greeting."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

from ..metrics import counters as metrics
from ..protocol.frames import OPEN
from . import refusals
from .connection import Connection
from .refusals import shown
from .scopes import address_of
from .transports import http
from .transports.http import Refused

if TYPE_CHECKING:
    from .sessions import Limits

logger = logging.getLogger("realtime.engine")

_SPOKEN = {
    "1": "Engine.IO 1 (Socket.IO 0.9)",
    "2": "Engine.IO 2 (Socket.IO 1)",
    "3": "Engine.IO 3 (Socket.IO 2)",
}
_UPGRADE = (
    "this server speaks Engine.IO 4. Upgrade the client: socket.io-client 3 or newer in JavaScript,"
    " python-socketio 5, Socket.IO-Client-Swift 16, socket.io-client-java 2"
)


def check_query(scope: Mapping[str, Any], transport: str, allowed: Sequence[str]) -> dict[str, str]:
    """The query of a request that came over `transport`. Raises `Refused`, with a line logged."""
    query = http.query(scope)
    asked, version = query.get("transport"), query.get("EIO")
    if asked not in allowed:
        refuse(scope, "transport", _about_transport(asked, version, allowed))
        raise Refused(http.TRANSPORT_UNKNOWN)
    if version != "4":
        refuse(scope, "version", _about_version(version))
        raise Refused(http.BAD_VERSION)
    if asked != transport:
        refuse(scope, "transport", f"a request for transport={asked} that came over {transport}")
        raise Refused(http.BAD_REQUEST)
    if "j" in query:
        refuse(
            scope, "transport", "a client that polls by JSONP, which is for browsers without CORS"
        )
        raise Refused(http.BAD_REQUEST)
    return query


def greeting(connection: Connection, *, upgradable: bool) -> str:
    """The packet that opens a session. Engine.IO 4, "Handshake"."""
    upgrades = upgradable and connection.transport == "polling"
    sid = encode_basestring_ascii(connection.id)
    return f'{OPEN}{{"sid":{sid},{_terms(connection.sessions.limits, upgrades)}'


@functools.lru_cache
def _terms(limits: Limits, upgrades: bool) -> str:
    """What the greetings of all sessions have in common, behind the id."""
    terms = {
        "upgrades": ["websocket"] if upgrades else [],
        "pingInterval": round(limits.ping_interval * 1000),
        "pingTimeout": round(limits.ping_timeout * 1000),
        "maxPayload": limits.max_payload,
    }
    return json.dumps(terms, separators=(",", ":")).removeprefix("{")


def refuse(scope: Mapping[str, Any], kind: str, text: str) -> None:
    """Count a refusal and log it."""
    metrics.count(f"refused.{kind}")
    say(scope, kind, text)


def say_unanswerable(scope: Mapping[str, Any], code: int) -> None:
    """Log what is no news in itself, but what somebody may look for."""
    if code == http.SESSION_UNKNOWN:
        text = (
            "a request for a session that is not here: it ended, this process was restarted, or the"
            " request belongs to another process; the client connects anew"
        )
        say(scope, "session", text, level=logging.INFO)
    elif code == http.BAD_METHOD:
        say(scope, "method", f"a {shown(scope['method'])} request", level=logging.INFO)


def say(scope: Mapping[str, Any], kind: str, text: str, *, level: int = logging.WARNING) -> None:
    """Log a refusal, with what the client calls itself."""
    agent = http.header(scope, b"user-agent")
    named = "" if agent is None else f" (user agent {shown(agent)})"
    extra = {"transport": "websocket" if scope["type"] == "websocket" else "polling"}
    refusals.say(
        logger, kind, address_of(scope), f"{text}{named}", detail=text, level=level, extra=extra
    )


def _about_transport(asked: str | None, version: str | None, allowed: Sequence[str]) -> str:
    if asked is None and version is None:
        return (
            "a request that is not from a Socket.IO client: its query has neither EIO nor transport"
        )
    if asked is None:
        return "a request without a transport in its query"
    return f"transport {shown(asked)}; REALTIME TRANSPORTS allows {', '.join(allowed)}"


def _about_version(version: str | None) -> str:
    if version is None:
        return (
            "a client that names no version (EIO) in its query: a bare websocket, or a client of"
            f" Socket.IO 0.9; {_UPGRADE}"
        )
    return f"a client of {_SPOKEN.get(version, f'Engine.IO {shown(version)}')}; {_UPGRADE}"
