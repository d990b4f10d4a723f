"""SIGTERM and SIGINT under each web server, as raw clients see it."""

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest
import socketio

from tests.conformance.conftest import KINDS, serve_talk
from tests.conformance.raw import PATIENCE, Closed, Polling, WebSocket, fetch
from tests.conformance.servers import Server
from tests.conformance.talker import POLLING, TICK, WEBSOCKET, Talker

LIVE, READY = "/socket.io/health/live", "/socket.io/health/ready"
MISHAPS = ("Traceback", "never awaited", "never retrieved", "Task was destroyed", "CancelledError")
#: Far longer than a test waits for the end of a process.
LONG = 600.0

Start = Callable[..., Server]


@pytest.fixture(params=KINDS)
def start(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """A server of this test's own, which is to end without a mishap in its log."""
    servers: list[Server] = []
    with ExitStack() as stack:

        def start(**realtime: Any) -> Server:
            patient = {"CLOSE_TIMEOUT": LONG, "DRAIN_TIMEOUT": LONG} | realtime
            servers.append(
                stack.enter_context(serve_talk(request.param, tmp_path_factory, **patient))
            )
            return servers[-1]

        yield start
        for server in servers:
            assert not [word for word in MISHAPS if word in server.log], server.log


def stop(server: Server, number: int = signal.SIGTERM) -> None:
    os.kill(server.pid, number)


async def ended(server: Server) -> None:
    """Wait for the end of the process, which its parent, the test, has not yet been told of."""
    deadline = time.monotonic() + PATIENCE
    while psutil.Process(server.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"it goes on:\n{server.log}"
        await asyncio.sleep(TICK)


class Poller(Polling):
    """A polling session in the namespace `/`."""

    @classmethod
    async def joined(cls, port: int) -> "Poller":
        opening = await fetch(port, "GET", POLLING)
        session = cls(port, json.loads(opening.text[1:])["sid"])
        session.path = f"{POLLING}&sid={session.sid}"
        await session.post("40")
        assert (await session.get()).text.startswith('40{"sid":')
        return session


async def test_waiting_polls_are_answered_and_hold_nothing_up(start: Start) -> None:
    server = start()
    session = await Poller.joined(server.port)
    poll = await session.start_get()
    stop(server)
    answer = await poll.response()
    # No close packet: python-engineio's client would not come back.
    assert (answer.status, answer.text) == (200, "6")
    await ended(server)


async def test_handlers_in_progress_end_and_are_heard_first(start: Start) -> None:
    server = start()
    idle, at_work, beside = [await Talker.joined(server.port) for _ in range(3)]
    at_work.send('21["ask"]')
    await at_work.expect('21["question"]')
    beside.send('2["ask beside"]')
    await beside.expect('21["question"]')
    stop(server)
    assert await idle.closed() == []
    at_work.send('31["the answer"]')
    await at_work.expect('31["the answer"]')
    assert await at_work.closed() == []
    beside.send('31["the answer"]')
    await beside.expect('2["answered","the answer"]')
    assert await beside.closed() == []
    await ended(server)


async def test_polling_client_gets_the_ack_that_no_poll_waited_for(start: Start) -> None:
    server = start()
    idle, at_work = await Talker.joined(server.port), await Poller.joined(server.port)
    await at_work.post('421["ask"]')
    assert (await at_work.get()).text == '421["question"]'
    stop(server)
    await idle.closed()
    await at_work.post('431["the answer"]')
    # By now the session is most likely closed, and what is left of it waits for this poll.
    await asyncio.sleep(10 * TICK)
    assert (await at_work.get()).text.removesuffix("\x1e6") == '431["the answer"]'
    await ended(server)


async def refuse_python_client(port: int) -> None:
    """Where the head of an answer comes before its body, python-socketio's client goes on as well.

    Proxies send them apart, and uvicorn may. It is a ConnectionError after which it tries again.
    """

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        to_server.write(await reader.readuntil(b"\r\n\r\n"))
        head = await from_server.readuntil(b"\r\n\r\n")
        writer.write(head)
        size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert size is not None
        body = await from_server.readexactly(int(size[1]))
        to_server.close()
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readexactly(1)  # until the client has closed, which waits for no body
        writer.write(body)
        writer.close()

    proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
    client = socketio.AsyncClient()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    proxy.close()


async def test_no_session_is_opened_and_the_node_is_not_ready_meanwhile(start: Start) -> None:
    server = start()
    while (await fetch(server.port, "GET", READY)).status != 200:
        await asyncio.sleep(TICK)  # until it hears itself for the first time
    idle, at_work = [await Talker.joined(server.port) for _ in range(2)]
    at_work.send('21["ask"]')
    await at_work.expect('21["question"]')
    stop(server)
    await idle.closed()
    refused = await fetch(server.port, "GET", POLLING)
    assert (refused.status, refused.json["message"]) == (503, "Server shutting down")
    await refuse_python_client(server.port)
    with pytest.raises(Closed) as closed:
        await WebSocket.open(server.port, WEBSOCKET)
    assert closed.value.args == (403,)
    ready = await fetch(server.port, "GET", READY)
    assert (ready.status, ready.json["ready"]) == (503, False)
    assert "draining" in ready.json["reasons"][0]
    assert (await fetch(server.port, "GET", LIVE)).status == 200
    at_work.send('31["the answer"]')
    await at_work.closed()
    await ended(server)


async def test_delay_serves_whoever_comes_before_the_first_closing(start: Start) -> None:
    server = start(DRAIN_DELAY=LONG)
    early = await Talker.joined(server.port)
    while (await fetch(server.port, "GET", READY)).status != 200:
        await asyncio.sleep(TICK)  # until it hears itself for the first time
    stop(server)
    while (ready := await fetch(server.port, "GET", READY)).status == 200:
        await asyncio.sleep(TICK)  # until the signal has arrived
    assert "draining" in ready.json["reasons"][0]
    late = await Talker.joined(server.port)
    polling = await Poller.joined(server.port)
    for talker in (early, late):
        assert await talker.ask("echo", "still here") == ["still here"]
    await polling.post('421["echo","still here"]')
    assert (await polling.get()).text == '431["still here"]'
    # A second signal ends the delay with all the rest.
    stop(server)
    for talker in (early, late):
        assert await talker.closed() == []
    await ended(server)


async def test_delay_ends_by_itself(start: Start) -> None:
    server = start(DRAIN_DELAY=0.5)
    talker = await Talker.joined(server.port)
    stop(server)
    assert await talker.closed() == []
    await ended(server)


async def test_connections_are_closed_in_batches_with_a_pause(start: Start) -> None:
    server = start(DRAIN_BATCH=2, DRAIN_PAUSE=LONG, DRAIN_TIMEOUT=100 * LONG)
    talkers = [await Talker.joined(server.port) for _ in range(5)]
    stop(server)
    for talker in talkers[:2]:
        assert await talker.closed() == []
    for talker in talkers[2:]:
        assert await talker.ask("echo", "still here") == ["still here"]
    stop(server)
    for talker in talkers[2:]:
        assert await talker.closed() == []
    await ended(server)


async def test_batches_grow_where_they_would_take_too_long(start: Start) -> None:
    server = start(DRAIN_BATCH=1, DRAIN_PAUSE=LONG, DRAIN_TIMEOUT=LONG)
    talkers = [await Talker.joined(server.port) for _ in range(3)]
    stop(server)
    for talker in talkers:
        assert await talker.closed() == []
    await ended(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_second_signal_ends_it_at_once(start: Start, number: int) -> None:
    server = start()
    idle, at_work = [await Talker.joined(server.port) for _ in range(2)]
    at_work.send('21["ask"]')
    await at_work.expect('21["question"]')
    stop(server, number)
    await idle.closed()
    stop(server, number)
    await at_work.closed()
    await ended(server)


@pytest.mark.parametrize("bound", ["DRAIN_TIMEOUT", "CLOSE_TIMEOUT"])
async def test_handler_that_does_not_end_is_not_waited_for_forever(
    start: Start, bound: str
) -> None:
    server = start(**{bound: 1.0})
    at_work = await Talker.joined(server.port)
    at_work.send('21["ask"]')
    await at_work.expect('21["question"]')
    stop(server)
    await at_work.closed()
    await ended(server)


async def test_process_without_connections_ends_at_once(start: Start) -> None:
    server = start()
    assert (await fetch(server.port, "GET", LIVE)).status == 200
    stop(server)
    await ended(server)
