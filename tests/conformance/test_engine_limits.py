"""What a client that does not read can make the server hold."""

import asyncio
import json
from typing import Any

import pytest

from tests.conformance.raw import Closed, WebSocket
from tests.conformance.servers import Server

MEGABYTE = 1_000_000


async def state(server: Server) -> dict[str, Any]:
    websocket = await WebSocket.session(server.port)
    websocket.send("4!state")
    answer = await websocket.receive()
    websocket.cut()
    assert isinstance(answer, str)
    decoded: dict[str, Any] = json.loads(answer[1:])
    return decoded


async def counted(server: Server, name: str) -> int:
    number: int = (await state(server))["counts"].get(name, 0)
    return number


def stop_reading(websocket: WebSocket) -> None:
    websocket.link.writer.transport.pause_reading()  # type: ignore[attr-defined]


def read_on(websocket: WebSocket) -> None:
    websocket.link.writer.transport.resume_reading()  # type: ignore[attr-defined]


async def test_a_client_that_never_reads_is_closed_within_its_bound(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    closed = await counted(calm, "closed.outbox")
    before = calm.memory
    stop_reading(websocket)
    websocket.send(f"4!flood 300 {MEGABYTE}")
    # The server answers others after the flood only: one thread does both.
    assert await counted(calm, "closed.outbox") == closed + 1
    assert calm.memory - before < 20 * MEGABYTE


async def test_a_client_that_pings_and_never_reads_is_closed_within_its_bound(
    calm: Server,
) -> None:
    """The web server answers each ping by itself."""
    websocket = await WebSocket.session(calm.port)
    closed = await counted(calm, "closed.outbox")
    before = calm.memory
    stop_reading(websocket)
    try:
        for _ in range(300):
            for _ in range(1_000):
                websocket.send_frame(0x9, b"?" * 125)
            await websocket.link.writer.drain()
    except ConnectionError:
        pass
    assert await counted(calm, "closed.outbox") == closed + 1
    assert calm.memory - before < 20 * MEGABYTE


async def test_volatile_messages_are_dropped_for_a_client_that_does_not_read(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    dropped = await counted(calm, "dropped.volatile")
    stop_reading(websocket)
    websocket.send(f"4!volatile 100 {MEGABYTE}")
    await asyncio.sleep(0.5)
    dropped = await counted(calm, "dropped.volatile") - dropped
    assert dropped > 0
    read_on(websocket)
    websocket.send("4the end")
    received = []
    while (message := await websocket.receive()) != "4the end":
        assert isinstance(message, str)
        received.append(int(message[1:].split()[0]))
    # The first ones fitted, and the connection lives.
    assert received == list(range(100 - dropped))


async def test_a_slow_reader_gets_everything_within_the_bound_in_order(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send("4!flood 900 8000")
    websocket.send("4the end")
    await asyncio.sleep(0.2)
    for number in range(900):
        await websocket.expect("4" + f"{number} ".ljust(8000, "x"))
    await websocket.expect("4the end")


async def test_a_client_that_stopped_reading_is_let_go_after_the_close_timeout(
    hasty: Server,
) -> None:
    websocket = await WebSocket.session(hasty.port)
    stop_reading(websocket)
    websocket.send("4!flood 8 1000000")
    websocket.send("4!close")
    await asyncio.sleep(2)
    # Nothing more can come than what the kernel held: the connection was reset.
    read_on(websocket)
    with pytest.raises(Closed):
        for _ in range(8):
            await websocket.receive()
