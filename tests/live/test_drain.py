"""A rolling restart, as a flock of stock clients lives through it."""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime import aemit
from realtime.node import rooms
from realtime.node.current import arun
from tests.live.balancer import Balancer
from tests.live.clients import Client, probe
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.servers import Server

FLOCK = Path(__file__).parent / "js" / "flock.mjs"
CLIENTS, WITH_FULL = 300, 1_000
#: The default of DRAIN_BATCH.
BATCH = 100
#: Seconds in which the flock has to be back, on a machine with other work to do.
PATIENCE = 120
#: Seconds between two emits.
BEAT = 0.5


@pytest.fixture
def layer() -> str:
    return "core"


@pytest.fixture
def clients(request: pytest.FixtureRequest) -> int:
    """How many live through a rolling restart."""
    return WITH_FULL if request.config.getoption("full") else CLIENTS


class Flock:
    """The clients, in a Node process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(await asyncio.to_thread(self._ask))
        return state

    def _ask(self) -> str:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("how are you?\n")
        process.stdin.flush()
        return process.stdout.readline()

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while not condition(state := await self.state()):
            assert time.monotonic() < deadline, state
            await asyncio.sleep(0.1)
        return state


@contextlib.contextmanager
def flock(port: int, topic: str, clients: int, transports: str) -> Iterator[Flock]:
    node = shutil.which("node")
    assert node, "Node is not installed: make setup brings it, WITHOUT=node does without"
    environment = {
        "SERVER": f"http://127.0.0.1:{port}",
        "TOPIC": topic,
        "CLIENTS": str(clients),
        "TRANSPORTS": transports,
    }
    with subprocess.Popen(
        [node, str(FLOCK)],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Flock(process)
        finally:
            process.kill()


@contextlib.asynccontextmanager
async def ticking(topic: str) -> AsyncIterator[None]:
    """Numbered emits from this process to everyone, at a steady pace."""

    async def tick() -> None:
        for number in itertools.count():
            await aemit("tick", number, namespace=topic)
            await asyncio.sleep(BEAT)

    task = asyncio.create_task(tick())
    yield
    assert not task.done(), task.exception()
    task.cancel()


def closed_in_batches(server: Server, log: str) -> list[int]:
    """How many connections each batch of each drain closed."""
    return [int(line.split()[-2]) for line in log.splitlines() if "draining: closing" in line]


@pytest.mark.redis
@pytest.mark.node
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_rolling_restart_loses_no_client_and_no_emit(
    farm: Farm, environment: dict[str, str], kind: str, topic: str, logs: Logs, clients: int
) -> None:
    servers = farm.own(kind, kind, LIVE_LOG="INFO", **environment)
    ports = [server.port or 0 for server in servers]
    async with Balancer(ports) as balancer, ticking(topic):
        with flock(balancer.port, topic, clients, "websocket") as flocking:
            await flocking.until(lambda state: state["connected"] == clients)
            for server in servers:
                before = (await flocking.state())["disconnects"]
                await asyncio.to_thread(server.stop)
                server.start()
                await asyncio.to_thread(server.wait)
                state = await flocking.until(lambda state: state["connected"] == clients)
                batches = closed_in_batches(server, logs.read()[server.name])
                assert sum(batches) == state["disconnects"] - before
                assert len(batches) > 1 and max(batches) <= BATCH
    assert state["reasons"] == {"transport close": state["disconnects"]}
    assert state["disconnects"] >= clients
    assert state["gaps"] == 0 and state["ticks"] > clients
    await asyncio.to_thread(farm.end, *servers)


@pytest.mark.node
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_polling_clients_come_back(farm: Farm, kind: str, topic: str) -> None:
    """The stock JavaScript client and python-socketio's, each by itself."""
    (server,) = farm.own(kind)
    python = Client(server.url, (topic,), transports=["polling"], reconnection=True)
    await python.connect()
    await python.next("connect")
    with flock(server.port or 0, topic, 10, "polling") as clients:
        await clients.until(lambda state: state["connected"] == 10)
        await asyncio.to_thread(server.stop)
        server.start()
        await asyncio.to_thread(server.wait)
        state = await clients.until(lambda state: state["connected"] == 10)
        assert state["disconnects"] == 10
    await python.next("connect")
    await python.disconnect()
    await asyncio.to_thread(farm.end, server)


@pytest.mark.redis
@pytest.mark.usefixtures("outside")
async def test_a_node_is_drained_and_taken_back_from_outside(
    cluster: list[Server], connect: Connect, topic: str
) -> None:
    near, far = [await connect(server, topic) for server in cluster]
    drained = {rooms.node_of(near.sid()) or ""}
    ready = f"{cluster[0].url}/socket.io/health/ready"
    await arun(lambda home: home.requests.ask("drain", nodes=drained))
    # What python-socketio calls every end that is not a packet.
    assert await near.next("disconnect") == ("transport error",)
    assert await far.call("echo", "still here") == "still here"
    status, answer = await probe(ready)
    assert status == 503 and "draining" in answer["reasons"][0]
    replies = await arun(lambda home: home.requests.ask("drain", {"ask": True}))
    assert {reply["draining"] for reply in replies.answers.values()} == {True, False}
    await arun(lambda home: home.requests.ask("drain", {"resume": True}, nodes=drained))
    assert (await probe(ready))[0] == 200
    back = await connect(cluster[0], topic)
    assert await back.call("echo", "back") == "back"


@pytest.mark.redis
@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_drain_from_outside_waits_for_the_delay_and_can_be_undone_in_it(
    farm: Farm, environment: dict[str, str], connect: Connect, topic: str, kind: str
) -> None:
    # Far longer than the test takes.
    (server,) = farm.own(kind, LIVE_DRAIN_DELAY="600", **environment)
    ready = f"{server.url}/socket.io/health/ready"
    client = await connect(server, topic)
    node = {rooms.node_of(client.sid()) or ""}
    replies = await arun(lambda home: home.requests.ask("drain", nodes=node))
    assert [reply["draining"] for reply in replies.answers.values()] == [True]
    assert (await probe(ready))[0] == 503
    late = await connect(server, topic)
    assert await late.call("echo", "welcome") == "welcome"
    await arun(lambda home: home.requests.ask("drain", {"resume": True}, nodes=node))
    assert (await probe(ready))[0] == 200
    assert await client.call("echo", "still here") == "still here"
    for one in (client, late):
        await one.disconnect()
    server.kill()
