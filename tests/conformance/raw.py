"""Raw HTTP and raw websockets: bytes on a socket, no client library that could help the server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from dataclasses import dataclass
from typing import Any, ClassVar

POLLING = "/engine.io/?EIO=4&transport=polling"
WEBSOCKET = "/engine.io/?EIO=4&transport=websocket"
#: Seconds after which an answer that does not come fails the test.
PATIENCE = 15


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        """The reference server's error number."""
        number: int = self.json["code"]
        return number


class Link:
    """One TCP connection."""

    #: All that the running test has opened.
    links: ClassVar[list[Link]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.links.append(self)

    @classmethod
    async def open(cls, port: int) -> Link:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def exactly(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)

    async def head(self) -> tuple[int, dict[str, str]]:
        raw = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        status, *lines = raw.decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in lines if line)
        return int(status.split()[1]), {name.lower(): value.strip() for name, value in pairs}

    async def response(self) -> Response:
        status, headers = await self.head()
        return Response(status, headers, await self.exactly(int(headers.get("content-length", 0))))

    def cut(self) -> None:
        """Go without a word."""
        self.writer.transport.abort()


def head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def start(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Link:
    """Send a request on a connection of its own."""
    link = await Link.open(port)
    known = {"Host": f"127.0.0.1:{port}"}
    if method == "POST":
        known["Content-Length"] = str(len(body))
    link.write(head(method, path, known | (headers or {})) + body)
    return link


async def fetch(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Response:
    link = await start(port, method, path, body, headers)
    try:
        return await link.response()
    finally:
        link.cut()


class Polling:
    """A session over HTTP."""

    def __init__(self, port: int, sid: str) -> None:
        self.port = port
        self.sid = sid
        self.path = f"{POLLING}&sid={sid}"

    @classmethod
    async def open(cls, port: int) -> Polling:
        response = await fetch(port, "GET", POLLING)
        return cls(port, json.loads(response.text[1:])["sid"])

    async def get(self) -> Response:
        return await fetch(self.port, "GET", self.path)

    async def start_get(self) -> Link:
        """A poll that is on its way; returns once the server has surely seen it."""
        link = await start(self.port, "GET", self.path)
        await asyncio.sleep(0.1)
        return link

    async def post(self, body: str | bytes) -> Response:
        data = body.encode() if isinstance(body, str) else body
        return await fetch(self.port, "POST", self.path, data)

    async def upgrade(self) -> WebSocket:
        """A websocket for this session that has not probed yet."""
        return await WebSocket.open(self.port, f"{WEBSOCKET}&sid={self.sid}")


class Closed(Exception):
    """The server closed the websocket."""


def _message(message: str | bytes) -> bytes:
    return _frame(0x1, message.encode()) if isinstance(message, str) else _frame(0x2, message)


def _frame(opcode: int, data: bytes) -> bytes:
    size = len(data)
    if size < 126:
        start = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65_536:
        start = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        start = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    # Masked with zeros: a mask has to be there, and these tests have nothing to hide.
    return start + bytes(4) + data


class WebSocket:
    """Frames of RFC 6455. A refused handshake raises `Closed`."""

    def __init__(self, link: Link, headers: dict[str, str]) -> None:
        self.link = link
        self.headers = headers

    @classmethod
    async def open(
        cls, port: int, path: str = WEBSOCKET, headers: dict[str, str] | None = None
    ) -> WebSocket:
        link = await Link.open(port)
        key = base64.b64encode(os.urandom(16)).decode()
        known = {
            "Host": f"127.0.0.1:{port}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
        }
        link.write(head("GET", path, known | (headers or {})))
        status, answer = await link.head()
        if status != 101:
            raise Closed(status)
        return cls(link, answer)

    @classmethod
    async def session(cls, port: int) -> WebSocket:
        """A websocket whose handshake packet has been read."""
        websocket = await cls.open(port)
        opening = await websocket.receive()
        assert isinstance(opening, str) and opening.startswith("0")
        return websocket

    def send(self, *messages: str | bytes) -> None:
        # At once: from Python 3.12 on, each write of asyncio counts all those that wait.
        self.link.write(b"".join(map(_message, messages)))

    def send_frame(self, opcode: int, data: bytes) -> None:
        self.link.write(_frame(opcode, data))

    async def frame(self) -> tuple[int, bytes]:
        """First byte and payload of the next frame."""
        first, second = await self.link.exactly(2)
        assert not second & 0x80, "servers do not mask"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(await self.link.exactly(2))
        elif size == 127:
            size = int.from_bytes(await self.link.exactly(8))
        return first, await self.link.exactly(size)

    async def receive(self) -> str | bytes:
        """The next message. Raises `Closed`."""
        while True:
            try:
                first, data = await self.frame()
            except (asyncio.IncompleteReadError, ConnectionError):
                raise Closed("without a close frame") from None
            opcode = first & 0x0F
            assert first & 0x70 == 0, "no reserved bit is set"
            if opcode == 0x8:
                self.send_frame(0x8, data)
                raise Closed(int.from_bytes(data[:2]) if data else None)
            if opcode == 0x9:
                self.send_frame(0xA, data)
            elif opcode in (0x1, 0x2):
                return data.decode() if opcode == 0x1 else data

    async def closed(self) -> list[str | bytes]:
        """Wait until the server has closed, answering its pings; the messages that came before."""
        messages: list[str | bytes] = []
        while True:
            try:
                message = await self.receive()
            except Closed:
                return messages
            if message == "2":
                self.send("3")
            messages.append(message)

    async def expect(self, *messages: str | bytes) -> None:
        for message in messages:
            assert await self.receive() == message

    def cut(self) -> None:
        self.link.cut()
