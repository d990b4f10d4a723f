"""Requests of clients that poll: a GET fetches what is queued, a POST brings packets."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ...exceptions import ProtocolError
from ...logs import connection_facts
from ...metrics import counters as metrics
from ...protocol.frames import decode_payload
from ..connection import Connection
from ..sessions import Sessions
from .http import BAD_REQUEST, SESSION_UNKNOWN, Receive, Refused, TooLarge, read_body
from .polling_wire import PollingWire

logger = logging.getLogger("realtime.engine")

#: Seconds that a request with data waits for the end of one that its client may have given up.
GIVEN_UP = 0.5


async def get(
    sessions: Sessions, sid: str, receive: Receive, seconds: float | None = None
) -> bytes:
    """Answer a poll, within so many seconds if they are given. Raises `Refused`."""
    lingering = sessions.lingering.get(sid)
    if isinstance(lingering, PollingWire):
        body = lingering.take()
        if lingering.is_empty:
            sessions.lingering.pop(sid, None)
        return body
    return await _wire(sessions, sid).poll(receive, seconds)


async def post(sessions: Sessions, sid: str, scope: dict[str, Any], receive: Receive) -> None:
    """Take a body of packets. Raises `Refused`, `TooLarge` or `Gone`."""
    wire = _wire(sessions, sid)
    connection = wire.connection
    if wire.posting is not None:
        # One that the client has given up is found closed a moment later.
        await asyncio.wait([wire.posting], timeout=GIVEN_UP)
        wire = _wire(sessions, sid)
        connection = wire.connection
    if wire.posting is not None:
        # As the reference server: clients send one after the other.
        about = connection_facts(connection)
        logger.warning("%r is closed: two posts at once", connection, extra=about)
        metrics.report("closed.posts", address=connection.address)
        connection.close("transport error", discard=True)
        raise Refused(BAD_REQUEST)
    reading = wire.posting = asyncio.ensure_future(
        read_body(scope, receive, sessions.limits.max_payload)
    )
    try:
        await _take_body(wire, reading)
    finally:
        wire.posting = None


async def _take_body(wire: PollingWire, reading: asyncio.Task[bytes]) -> None:
    connection = wire.connection
    try:
        # Not awaited: who cancels this task ends the reading, and who ends the reading (the session
        # is over) does not cancel this task.
        await asyncio.wait([reading])
    finally:
        reading.cancel()
    if reading.cancelled():
        raise Refused(BAD_REQUEST)
    try:
        body = reading.result()
    except TooLarge:
        refuse_body(connection)
        raise
    if connection.wire is not wire or connection.closed:
        raise Refused(BAD_REQUEST)
    try:
        packets = decode_payload(body)
    except ProtocolError as error:
        connection.reject(str(error))
        raise Refused(BAD_REQUEST) from None
    await _feed(connection, packets)


async def _feed(connection: Connection, packets: list[tuple[str, str | bytes]]) -> None:
    for kind, data in packets:
        await connection.readable()
        if connection.closed:
            break
        connection.receive(kind, data)
    if connection.rejected:
        raise Refused(BAD_REQUEST)


def hurry(connection: Connection) -> None:
    """Answer the poll that waits, if one does, with what there is."""
    if isinstance(connection.wire, PollingWire):
        connection.wire.wake()


def refuse_body(connection: Connection) -> None:
    """Close because a body was over the limit."""
    metrics.report("refused.payload", address=connection.address)
    about = connection_facts(connection)
    logger.warning(
        "closing %r: its payload is larger than MAX_PAYLOAD allows", connection, extra=about
    )
    connection.close("transport error", discard=True)


def _wire(sessions: Sessions, sid: str) -> PollingWire:
    connection = sessions.find(sid)
    if connection is None:
        raise Refused(SESSION_UNKNOWN)
    if not isinstance(connection.wire, PollingWire):
        raise Refused(BAD_REQUEST)
    return connection.wire
