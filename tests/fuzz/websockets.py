"""One websocket in two copies: read by our reader before the server's parser, and by that alone.

The real protocol objects of uvicorn and Daphne, on a transport that only notes what is written.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from daphne import ws_protocol
from daphne.server import Server as DaphneServer
from django.conf import settings
from twisted.internet.testing import StringTransport
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn.server import ServerState

if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["site.example"], SECRET_KEY="fuzz")

from realtime.engine.server import Connection, EngineServer
from realtime.engine.transports.reader import FrameReader

KINDS = ["wsproto", "websockets", "daphne"]
MAX_PAYLOAD = 2_000
HANDSHAKE = (
    b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: site.example\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Sink:
    """Keeps what it is told. Messages say whether their connection pauses or closes."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def opened(self, connection: Connection) -> None: ...

    def received(self, connection: Connection, message: str | bytes) -> None:
        self.heard.append(message)
        if message == "pause":
            connection.pause()
            asyncio.get_running_loop().call_soon(connection.resume)
        elif message == "close":
            connection.close()

    def closed(self, connection: Connection, reason: str) -> None:
        self.heard.append(("closed", reason))


class AsyncioTransport(asyncio.Transport):
    """A connection to nobody, as uvicorn sees one."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 2)})
        self.written = b""
        self.closed = False
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        self.written += data

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


class TwistedTransport(StringTransport):
    """The same for Daphne, as patient as Twisted's own."""

    def unregisterProducer(self) -> None:  # noqa: N802
        self.producer = None

    def pauseProducing(self) -> None: ...  # noqa: N802

    def resumeProducing(self) -> None: ...  # noqa: N802


class Websocket:
    """An Engine.IO session on a protocol object of one of the servers."""

    def __init__(
        self, kind: str, ws_max_size: int = 2**24, headers: bytes = b"", wrapped: Any = None
    ) -> None:
        self.headers = headers
        self.kind = kind
        self.ws_max_size = ws_max_size
        #: Bytes that the reader gave to uvicorn's protocol.
        self.passed_on = 0
        #: What uvicorn's protocol raised while it was given bytes.
        self.raised = ""
        self.sink = Sink()
        self.engine = EngineServer(sink=self.sink, max_http_buffer_size=MAX_PAYLOAD)
        self.engine.sessions.generate_id = lambda: "id"
        #: The ASGI application: the engine, or what `wrapped` makes of it.
        self.application = self.engine if wrapped is None else wrapped(self.engine)

    async def open(self) -> None:
        if self.kind == "daphne":
            self._open_daphne()
        else:
            self._open_uvicorn()
        await turns()
        self.answer = self.written
        (self.connection,) = self.engine.sockets.values()
        if self.kind != "daphne" and self.reader is not None:
            self._count_what_is_passed_on()

    def _count_what_is_passed_on(self) -> None:
        received = self.protocol.data_received

        def count(data: bytes) -> None:
            self.passed_on += len(data)
            received(data)

        self.protocol.data_received = count

    @property
    def request(self) -> bytes:
        return HANDSHAKE[:-2] + self.headers + b"\r\n"

    def _open_daphne(self) -> None:
        server = DaphneServer(self.application, endpoints=["tcp:0"])
        server.connections = {}  # as `run` sets it
        factory = ws_protocol.WebSocketFactory(server)
        options = {"autoPingTimeout": 30, "maxFramePayloadSize": 100}
        factory.setProtocolOptions(allowNullOrigin=True, openHandshakeTimeout=0, **options)
        self.protocol = factory.buildProtocol(None)
        self.protocol._raw_query_string = b"EIO=4&transport=websocket"
        self.transport: Any = TwistedTransport()
        self.transport.registerProducer(object(), True)  # as the HTTP channel is
        self.transport.protocol = self.protocol
        self.protocol.makeConnection(self.transport)
        self.transport.protocol.dataReceived(self.request)

    def _open_uvicorn(self) -> None:
        config = uvicorn.Config(
            self.application, ws_ping_interval=None, ws_max_size=self.ws_max_size, log_config=None
        )
        config.load()
        known = {"wsproto": WSProtocol, "websockets": WebSocketsSansIOProtocol}
        self.protocol = known[self.kind](config, ServerState(), {})
        self.transport = AsyncioTransport()
        self.transport.protocol = self.protocol
        self.protocol.connection_made(self.transport)
        self.transport.protocol.data_received(self.request)

    @property
    def written(self) -> bytes:
        written: bytes
        written = self.transport.value() if self.kind == "daphne" else self.transport.written
        return written

    @property
    def is_ended(self) -> bool:
        if self.kind == "daphne":
            return bool(self.transport.disconnecting or self.transport.disconnected)
        return bool(self.transport.closed)

    @property
    def reader(self) -> FrameReader | None:
        if self.kind == "daphne":
            received = self.transport.protocol.dataReceived
        else:
            received = self.transport.protocol.data_received
        return received.__self__ if isinstance(received.__self__, FrameReader) else None

    @property
    def held(self) -> int:
        """Bytes of the client that the server's parser keeps."""
        if self.kind == "daphne":
            parts = (getattr(self.protocol, f"{name}_data", None) for name in ("message", "frame"))
            inside = [data for part in parts if part for data in part]
            return len(self.protocol.data) + sum(map(len, inside))
        if self.kind == "websockets":
            return len(self.protocol.conn.reader.buffer) + sum(map(len, self.protocol.frames))
        connection = self.protocol.conn.connection
        return len(connection._proto._frame_decoder.buffer) + int(self.protocol.buffer.length)

    def feed(self, data: bytes) -> None:
        if self.is_ended or not data:
            return  # nothing is read any more
        if self.kind == "daphne":
            self.transport.protocol.dataReceived(data)
            return
        try:
            self.transport.protocol.data_received(data)
        except Exception as error:
            # As asyncio does. uvicorn's protocol raises where one read holds text that is not UTF-8
            # and, behind it, a close frame (0.54).
            self.raised = repr(error)
            self.transport.abort()

    async def close(self) -> None:
        if self.kind == "daphne":
            from twisted.internet.error import ConnectionDone
            from twisted.python.failure import Failure

            self.transport.protocol.connectionLost(Failure(ConnectionDone()))
        else:
            self.transport.protocol.connection_lost(None)
        await turns()


async def turns() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


async def compare(kind: str, chunks: Iterable[bytes], ws_max_size: int = 2**24) -> None:
    """Feed the same bytes to both copies, and check that they do the same."""
    ours, theirs = Websocket(kind, ws_max_size), Websocket(kind, ws_max_size)
    await ours.open()
    with without_reader():
        await theirs.open()
    assert ours.reader is not None and theirs.reader is None
    assert ours.answer == theirs.answer
    for chunk in chunks:
        before = ours.passed_on
        ours.feed(chunk)
        at = len(chunk) - (ours.passed_on - before)
        # In two parts: of a read that ends against the rules, websockets' core under uvicorn also
        # forgets what came before. Ours handles it, as if it had come in a read of its own.
        for part in (chunk[:at], chunk[at:]):
            theirs.feed(part)
        assert ours.held <= theirs.held
        await turns()
        assert ours.sink.heard == theirs.sink.heard
        assert ours.written == theirs.written
        assert ours.is_ended == theirs.is_ended
        assert ours.raised == theirs.raised
        assert ours.connection.closed == theirs.connection.closed
        assert ours.held == theirs.held
    for websocket in (ours, theirs):
        await websocket.close()
    assert ours.sink.heard == theirs.sink.heard
    assert not ours.engine.sockets


@contextmanager
def without_reader() -> Iterator[None]:
    """No websocket gets a reader meanwhile."""
    find = FrameReader.__dict__["find"]
    FrameReader.find = lambda *args: None  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        FrameReader.find = find  # type: ignore[method-assign]


def frame(
    first: int, data: bytes, mask: bytes | None = b"\x17\xe5\x0b\x9c", form: int = 0
) -> bytes:
    """A client's frame. `form` is the least number of bytes that its length is written in."""
    size, flag = len(data), 0 if mask is None else 0x80
    if size < 126 and form < 2:
        start = struct.pack("!BB", first, flag | size)
    elif size < 65_536 and form < 8:
        start = struct.pack("!BBH", first, flag | 126, size)
    else:
        start = struct.pack("!BBQ", first, flag | 127, size)
    if mask is None:
        return start + data
    return start + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def cut(stream: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The stream in reads of these sizes, over and over."""
    chunks, at, turn = [], 0, 0
    while at < len(stream):
        size = max(1, sizes[turn % len(sizes)]) if sizes else len(stream)
        chunks.append(stream[at : at + size])
        at, turn = at + size, turn + 1
    return chunks
