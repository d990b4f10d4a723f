"""A Socket.IO client on a raw websocket: it sends what a test says and answers pings."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from tests.conformance.raw import PATIENCE, WebSocket
from tests.conformance.servers import Server

POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
#: Longer than anything takes, and shorter than a poll of the log may wait.
TICK = 0.02


class Talker:
    """The messages of Socket.IO, without Engine.IO's type and pings."""

    def __init__(self, websocket: WebSocket, engine_sid: str) -> None:
        self.websocket = websocket
        self.engine_sid = engine_sid
        #: The public id in the namespace that was joined last.
        self.sid = ""
        self._last_ack = 1000

    @classmethod
    async def open(cls, port: int) -> Talker:
        """A connection that is in no namespace yet."""
        websocket = await WebSocket.open(port, WEBSOCKET)
        opening = await websocket.receive()
        assert isinstance(opening, str)
        return cls(websocket, json.loads(opening[1:])["sid"])

    @classmethod
    async def joined(cls, port: int, namespace: str = "/", auth: Any = None) -> Talker:
        talker = await cls.open(port)
        await talker.join(namespace, auth)
        return talker

    async def join(self, namespace: str = "/", auth: Any = None) -> None:
        head = "" if namespace == "/" else f"{namespace},"
        self.send(f"0{head}" + ("" if auth is None else json.dumps(auth)))
        answer = await self.receive()
        assert isinstance(answer, str) and answer.startswith(f"0{head}{{"), answer
        self.sid = json.loads(answer[1 + len(head) :])["sid"]

    def send(self, *messages: str | bytes) -> None:
        self.websocket.send(*(m if isinstance(m, bytes) else f"4{m}" for m in messages))

    async def receive(self) -> str | bytes:
        while (packet := await self.websocket.receive()) == "2":
            self.websocket.send("3")
        if isinstance(packet, bytes):
            return packet
        assert packet.startswith("4"), packet
        return packet[1:]

    async def expect(self, *messages: str | bytes) -> None:
        for message in messages:
            assert await self.receive() == message

    async def closed(self) -> list[str | bytes]:
        """Wait until the server has closed; the messages that came before, but for pings."""
        async with asyncio.timeout(PATIENCE):
            return [packet for packet in await self.websocket.closed() if packet != "2"]

    async def ask(self, event: str, *args: Any, namespace: str = "/") -> list[Any]:
        """The ack of an event; nothing else may come before it."""
        self._last_ack += 1
        head = "" if namespace == "/" else f"{namespace},"
        self.send(f"2{head}{self._last_ack}{json.dumps([event, *args])}")
        answer = await self.receive()
        start = f"3{head}{self._last_ack}"
        assert isinstance(answer, str) and answer.startswith(start), answer
        values: list[Any] = json.loads(answer.removeprefix(start))
        return values

    async def ended(self, sid: str) -> list[Any]:
        """What ran for a socket, once its disconnect handler has."""
        deadline = time.monotonic() + PATIENCE
        while True:
            [past] = await self.ask("past", sid)
            if past and past[-1][0] == "disconnect":
                return list(past)
            assert time.monotonic() < deadline, f"not disconnected: {past}"
            await asyncio.sleep(TICK)

    def cut(self) -> None:
        self.websocket.cut()


class Log:
    """What a server has logged since this was made."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._start = len(server.log)

    @property
    def text(self) -> str:
        return self.server.log[self._start :]

    @property
    def lines(self) -> list[str]:
        """The records of ours; a traceback belongs to the line before it."""
        kinds = ("INFO realtime", "WARNING realtime", "ERROR realtime")
        return [line for line in self.text.splitlines() if line.startswith(kinds)]

    async def line(self) -> str:
        """The one line that what happened was worth, without a traceback."""
        deadline = time.monotonic() + PATIENCE
        while not self.lines:
            assert time.monotonic() < deadline, f"no line was logged: {self.text}"
            await asyncio.sleep(TICK)
        assert "Traceback" not in self.text, self.text
        assert len(self.lines) == 1, self.lines
        return self.lines[0]
