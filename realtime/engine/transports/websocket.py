"""Websockets: a session of its own, or the upgrade of one that polls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ...exceptions import ProtocolError
from ...logs import connection_facts
from ...metrics import counters as metrics
from ...protocol.frames import PING, PROBE_ANSWER, UPGRADE, decode_packet, fits
from ..connection import Connection
from ..sessions import Sessions
from . import compression, http, sizes
from .asgi import Send, TextOnly, WebsocketWire
from .daphne import DaphneWire
from .http import Gone, Receive, query
from .polling_wire import PollingWire
from .uvicorn import UvicornWire

logger = logging.getLogger("realtime.engine")

_PROBE = PING + "probe"

#: What is left to do once the handshake is over, which lasts as long as the websocket. To be
#: awaited by the caller: what a coroutine of the handshake holds would stay for as long.
Rest = Coroutine[Any, Any, None] | None


async def refuse(receive: Receive, send: Send) -> None:
    """Close before the handshake: the client sees HTTP 403."""
    # ASGI's extension for a status of one's own is no way out: Daphne has none, and uvicorn on
    # websockets' sans-I/O core logs an error for each such answer (0.54).
    await receive()
    await send({"type": "websocket.close"})


async def begin(
    sessions: Sessions,
    scope: dict[str, Any],
    receive: Receive,
    send: Send,
    greeting: Callable[[Connection], str],
) -> Rest:
    """A session that starts on a websocket."""
    if (await receive())["type"] != "websocket.connect":
        return None
    await accept(sessions, _acceptance(scope), send)
    connection = sessions.admit(scope, lambda owner: _wire_for(owner, scope, send), greeting)
    assert isinstance(connection.wire, WebsocketWire)
    return _read(connection, connection.wire, receive, send)


async def upgrade(
    connection: Connection, scope: dict[str, Any], receive: Receive, send: Send, *, allowed: bool
) -> Rest:
    """A websocket for a session that polls. If it does not finish, the session goes on polling."""
    if (await receive())["type"] != "websocket.connect":
        return None
    await accept(connection.sessions, _acceptance(scope), send)
    polling = connection.wire
    taken = connection.closed or connection.upgrade is not None
    if taken or not allowed or not isinstance(polling, PollingWire):
        # A second websocket for a session that has one, or is about to: the first goes on.
        await send({"type": "websocket.close"})
        return None
    wire = connection.upgrade = _wire_for(connection, scope, send)
    limits = connection.sessions.limits
    timer = connection.sessions.wheel.after(
        limits.upgrade_timeout, _give_up, connection, polling, wire
    )
    upgraded = False
    try:
        upgraded = await _probe(connection, polling, wire, receive)
    except Gone:
        wire.gone()
        return None
    finally:
        timer.cancel()
        if not upgraded:
            _give_up(connection, polling, wire)
    if not upgraded:
        return _drain(wire, receive)
    _switch(connection, polling, wire)
    return _read(connection, wire, receive, send)


def _acceptance(scope: dict[str, Any]) -> dict[str, Any]:
    # As Node does: a browser gives up where it offered subprotocols and none is chosen.
    offered = scope.get("subprotocols") or [None]
    return {"type": "websocket.accept", "subprotocol": offered[0]}


async def accept(sessions: Sessions, acceptance: dict[str, Any], send: http.Send) -> None:
    """Complete the handshake of a websocket that is, or will be, one of ours."""
    if not sessions.limits.websocket_compression:
        compression.decline(send)
    sizes.limit(send, sessions.limits.max_payload)
    await send(acceptance)


def _give_up(connection: Connection, polling: PollingWire, wire: WebsocketWire) -> None:
    if connection.upgrade is wire:
        connection.upgrade = None
        polling.release()
    wire.close(discard=True)


def _switch(connection: Connection, polling: PollingWire, wire: WebsocketWire) -> None:
    connection.upgrade = None
    connection.wire = wire
    # In this order: what was queued while polling goes first, then whatever is sent from now on.
    for frames in polling.drain():
        wire.send(frames)
    connection.ping_delivered = True
    polling.gone()


async def _probe(
    connection: Connection, polling: PollingWire, wire: WebsocketWire, receive: Receive
) -> bool:
    """Whether the client asked for the upgrade and then completed it, while the session lived.

    Raises `Gone` if its websocket ends before it has done either.
    """
    if await _next_frame(receive) != _PROBE or connection.upgrade is not wire:
        return False
    wire.send(PROBE_ANSWER)
    polling.hold()
    frame = await _next_frame(receive)
    # Both reference servers let data follow the type; Unity's BestHTTP sends "52".
    return isinstance(frame, str) and frame[:1] == UPGRADE and connection.upgrade is wire


async def _next_frame(receive: Receive) -> str | bytes:
    frame = _frame(await receive())
    if frame is None:
        raise Gone
    return frame


def _frame(event: dict[str, Any]) -> str | bytes | None:
    if event["type"] != "websocket.receive":
        return None
    text: str | None = event.get("text")
    data: bytes | None = event.get("bytes")
    return text if text is not None else data


async def _read(connection: Connection, wire: WebsocketWire, receive: Receive, send: Send) -> None:
    """Pass on what the client sends until its websocket is over."""
    reason = "transport close"
    try:
        receive = wire.listen(_take, receive)
        while (frame := _frame(await receive())) is not None:
            if connection.paused:
                wire.pause_reading()  # uvicorn's `receive` has just resumed it
                await connection.readable()
            _take(connection, frame)
            receive = wire.listen(_take, receive)
        if sizes.is_exceeded(send, connection.sessions.limits.max_payload):
            _refuse_size(connection)
    except asyncio.CancelledError:
        # Daphne cancels its applications when it stops.
        reason = "server shutting down"
        raise
    finally:
        connection.leave(reason)
        wire.gone()


def _take(connection: Connection, frame: str | bytes) -> None:
    if connection.closed:
        return
    if not fits(frame, connection.sessions.limits.max_payload):
        _refuse_size(connection)
        return
    try:
        kind, data = decode_packet(frame)
    except ProtocolError as error:
        connection.reject(str(error))
        return
    connection.receive(kind, data)


def _refuse_size(connection: Connection) -> None:
    if not connection.closed:
        metrics.report("refused.payload", address=connection.address)
        about = connection_facts(connection)
        logger.warning(
            "closing %r: its message is larger than MAX_PAYLOAD allows", connection, extra=about
        )
        connection.close("transport error", discard=True)


async def _drain(wire: WebsocketWire, receive: Receive) -> None:
    """Wait for the end of a websocket that is being closed."""
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        wire.gone()


def _wire_for(connection: Connection, scope: dict[str, Any], send: Send) -> WebsocketWire:
    """The best wire for the server that `send` belongs to, and for what the client can read."""
    daphne, uvicorn, plain = _WIRES[_asks_for_text(scope)]
    return (
        daphne.find(connection, send) or uvicorn.find(connection, send) or plain(connection, send)
    )


def _asks_for_text(scope: dict[str, Any]) -> bool:
    raw: bytes = scope.get("query_string", b"")
    # Reading a query takes longer than all else here, and hardly any client asks.
    return (b"b64" in raw or b"%" in raw) and bool(query(scope).get("b64"))


class _TextDaphneWire(TextOnly, DaphneWire):
    __slots__ = ()


class _TextUvicornWire(TextOnly, UvicornWire):
    __slots__ = ()


class _TextWire(TextOnly, WebsocketWire):
    __slots__ = ()


# By whether the client asked for "b64".
_WIRES: dict[bool, tuple[type[DaphneWire], type[UvicornWire], type[WebsocketWire]]] = {
    False: (DaphneWire, UvicornWire, WebsocketWire),
    True: (_TextDaphneWire, _TextUvicornWire, _TextWire),
}
