"""The way of an event with an ack, counted: calls are the same on each machine, times are not."""

import asyncio
import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest

from realtime import SocketIOConsumer, event
from realtime.asgi import make_server
from realtime.engine.connection import Connection
from realtime.engine.wire import Wire
from realtime.metrics import instruments
from realtime.protocol.frames import MESSAGE, Frames
from realtime.server.acks import socket_behind
from realtime.signals import event_handled
from realtime.testing.wires import scope_of

#: Of our functions, from the message to the handler and back to the wire.
CALLS = 32


class Heard(Wire):
    """Keeps what is sent."""

    name = "websocket"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.heard: list[str | bytes] = []

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        self.heard.extend(frames.messages)
        return True

    def send_message(self, message: str | bytes) -> bool:
        self.heard.append(message)
        return True

    def close(self, discard: bool) -> None: ...
    def gone(self) -> None: ...


class Echo(SocketIOConsumer):
    @event
    async def echo(self, value: Any) -> Any:
        return value


async def test_an_event_with_an_ack_takes_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    # Who wants to know about events pays for it; another test of this process may have wanted to.
    monkeypatch.setattr(instruments, "timings", None)
    monkeypatch.setattr(event_handled, "receivers", [])
    server = make_server(Echo.as_asgi())
    server.start()
    connection = server.eio.sessions.admit(scope_of([], "", "/socket.io/"), Heard, lambda _: "0")
    heard: list[str | bytes] = connection.wire.heard  # type: ignore[attr-defined]
    connection.receive(MESSAGE, "0")
    await until(lambda: len(heard) == 1)
    packet = '21["echo",{"text":"hello"}]'
    for _ in range(3):
        connection.receive(MESSAGE, packet)
    await until(lambda: len(heard) == 4)
    del heard[:]
    calls = Counter[str]()

    def count(frame: FrameType, kind: str, _: Any) -> None:
        if kind == "call" and frame.f_globals["__name__"].startswith("realtime."):
            calls[frame.f_code.co_qualname] += 1

    sys.setprofile(count)
    connection.receive(MESSAGE, packet)
    while not heard:
        await asyncio.sleep(0)
    sys.setprofile(None)
    await server.shutdown()
    assert heard[0] == '31[{"text":"hello"}]'
    assert calls.total() <= CALLS, sorted(calls.items())


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def test_a_middleware_that_has_its_own_send_sees_the_answers() -> None:
    async def send(message: Any) -> None: ...

    assert socket_behind(send) is None
