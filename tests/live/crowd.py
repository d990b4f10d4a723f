"""Many light Socket.IO clients in one event loop: each knows its sid, and counts what it hears."""

import asyncio
import json
from collections import Counter
from typing import Any

import aiohttp

from tests.live.servers import Server

#: Handshakes at a time.
AT_ONCE = 50


class Member:
    """One client over a websocket, in the namespace "/"."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse, sid: str) -> None:
        self.sid = sid
        self.heard: Counter[str] = Counter()
        self.connected = True
        self._websocket = websocket
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._websocket:
            if message.type is not aiohttp.WSMsgType.TEXT or message.data.startswith("41"):
                break
            if message.data == "2":
                await self._websocket.send_str("3")
            elif message.data.startswith("42"):
                self._received(json.loads(message.data[2:]))
        self.connected = False
        await self._websocket.close()

    def _received(self, event: list[Any]) -> None:
        self.heard[event[0]] += 1

    async def leave(self) -> None:
        await self._websocket.close()
        await self._reading


class Crowd:
    """The clients of some servers."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> "Crowd":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.gather(*(member.leave() for member in self.members))
        await self._session.close()

    @property
    def connected(self) -> list[Member]:
        return [member for member in self.members if member.connected]

    async def grow(self, server: Server, rooms: list[list[str]]) -> None:
        """As many clients more as there are lists of rooms to join."""
        self.members += await asyncio.gather(*(self._join(server, names) for names in rooms))

    async def _join(self, server: Server, rooms: list[str]) -> Member:
        address = f"{server.url}/socket.io/?EIO=4&transport=websocket"
        async with self._turns:
            websocket = await self._session.ws_connect(address, max_msg_size=0)
            await websocket.receive_str()
            await websocket.send_str("40" + json.dumps({"rooms": rooms}))
            answer = await websocket.receive_str()
            assert answer.startswith("40"), answer
        return Member(websocket, json.loads(answer[2:])["sid"])
