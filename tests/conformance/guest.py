"""A raw client that comes back, and remembers what the stock one does."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Protocol

from tests.conformance.raw import PATIENCE, WebSocket
from tests.conformance.talker import TICK, WEBSOCKET, Talker


class Listening(Protocol):
    """A server, of whichever kind of test."""

    @property
    def port(self) -> int | None: ...


class Guest(Talker):
    """A client that remembers what the stock one does: its pid and its last offset."""

    pid: str | None = None
    offset: str | None = None
    recovered = False
    namespace = "/"
    #: Events since the beginning, without their offsets.
    heard: list[list[Any]]

    @classmethod
    async def visit(
        cls,
        site: Listening,
        name: str,
        namespace: str = "/",
        of: Guest | None = None,
        user: int | None = None,
        **auth: Any,
    ) -> Guest:
        """Join a namespace, in the place of another client if that is given."""
        path = WEBSOCKET if user is None else f"{WEBSOCKET}&user={user}"
        websocket = await WebSocket.open(site.port or 0, path)
        opening = await websocket.receive()
        assert isinstance(opening, str)
        guest = cls(websocket, json.loads(opening[1:])["sid"])
        guest.heard, guest.namespace = [], namespace
        if of is not None:
            guest.pid, guest.offset = of.pid, of.offset
            auth = {"pid": of.pid} | ({} if of.offset is None else {"offset": of.offset}) | auth
        guest.send(f"0{guest.head}{json.dumps({'name': name} | auth)}")
        while not (answer := await guest.message()).startswith("0"):
            guest.take(answer)
        fields = json.loads(answer[1 + len(guest.head) :])
        guest.sid = fields["sid"]
        guest.recovered = guest.pid is not None and fields.get("pid") == guest.pid
        guest.pid = fields.get("pid")
        if not guest.recovered:
            guest.offset = None
        return guest

    @property
    def head(self) -> str:
        return "" if self.namespace == "/" else f"{self.namespace},"

    async def message(self) -> str:
        message = await self.receive()
        assert isinstance(message, str)
        return message

    def take(self, message: str) -> None:
        assert message.startswith(f"2{self.head}["), message
        values = json.loads(message.removeprefix(f"2{self.head}"))
        if isinstance(values[-1], str) and self.pid:
            self.offset = values.pop()
        self.heard.append(values)

    async def ask(self, event: str, *args: Any, namespace: str = "/") -> list[Any]:
        """The ack of an event; those that come before it are heard."""
        self._last_ack += 1
        self.send(f"2{self.head}{self._last_ack}{json.dumps([event, *args])}")
        start = f"3{self.head}{self._last_ack}"
        while not (answer := await self.message()).startswith(start):
            self.take(answer)
        values: list[Any] = json.loads(answer.removeprefix(start))
        return values

    async def settled(self) -> list[list[Any]]:
        """All that it heard until now."""
        await self.ask("state")
        return self.heard

    async def back(self, site: Listening, name: str, **auth: Any) -> Guest:
        """The same client again, with a new connection."""
        return await type(self).visit(site, name, self.namespace, of=self, **auth)


async def gone(other: Guest, name: str) -> None:
    """Wait until the disconnect handler of a client has run."""
    deadline = time.monotonic() + PATIENCE
    while (await other.ask("past", name))[0][-1][0] != "disconnect":
        assert time.monotonic() < deadline
        await asyncio.sleep(TICK)


async def cut(guest: Guest, speaker: Guest, name: str) -> None:
    await guest.settled()
    guest.cut()
    await gone(speaker, name)
