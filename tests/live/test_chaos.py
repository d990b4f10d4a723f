"""Random operations from outside while nodes are killed and Redis is restarted.

At the end what the operations say is what a count of the clients says. CHAOS_SOCKETS and
CHAOS_SECONDS in the environment make it larger and longer; 2000 and 60 were run by hand.
"""

import asyncio
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from realtime import (
    RealtimeError,
    disconnect_sockets,
    emit,
    fetch_nodes,
    fetch_sockets,
    join_sockets,
    leave_sockets,
    room_sizes,
)
from tests.live.conftest import Logs
from tests.live.crowd import Crowd
from tests.live.farm import Farm
from tests.live.servers import Redis, Server
from tests.site.layers import SITE, channel_layers

pytestmark = pytest.mark.redis

SOCKETS = int(os.environ.get("CHAOS_SOCKETS", "240"))
SECONDS = float(os.environ.get("CHAOS_SECONDS", "12"))
ROOMS = [f"room {number}" for number in range(12)]
KINDS = ("daphne", "uvicorn", "daphne", "uvicorn")


@pytest.fixture(params=["core", "pubsub"])
def layer(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


class Site:
    """Four nodes on a Redis of their own, and their clients."""

    def __init__(self, farm: Farm, layer: str, crowd: Crowd) -> None:
        self.redis = Redis(farm.folder("chaos-redis"))
        farm.run(self.redis)
        self._farm = farm
        self._environment = {
            "LIVE_REDIS": self.redis.url,
            "LIVE_LAYER": layer,
            "LIVE_EMIT_TIMEOUT": "2",
        }
        self.servers = farm.own(*KINDS, **self._environment)
        self.crowd = crowd

    async def fill(self, server: Server, number: int) -> None:
        rooms = [random.sample(ROOMS, 3) for _ in range(number)]
        await self.crowd.grow(server, rooms)

    async def replace(self) -> None:
        """Kill a node, and start another with as many clients."""
        victim = random.choice(self.servers)
        self.servers.remove(victim)
        victim.kill()
        (server,) = await asyncio.to_thread(self._farm.own, victim.kind, **self._environment)
        self.servers.append(server)
        await self.fill(server, SOCKETS // len(KINDS))

    async def restart_redis(self) -> None:
        self.redis.stop()
        await asyncio.sleep(1)
        self.redis.start()
        await asyncio.to_thread(self.redis.wait)

    def end(self) -> None:
        self._farm.end(self.redis, *self.servers)


async def meddle(crowd: Crowd, until: float) -> int:
    """Operations at random, some of which Redis' absence refuses; returns how many there were."""
    loop = asyncio.get_running_loop()
    done = 0

    def anyone() -> str:
        return random.choice(crowd.members).sid

    operations: list[Callable[[], Any]] = [
        lambda: join_sockets(random.choice(ROOMS), to=[anyone(), random.choice(ROOMS)]),
        lambda: leave_sockets(random.choice(ROOMS), to=[anyone() for _ in range(5)]),
        lambda: disconnect_sockets([anyone(), anyone()]),
        lambda: disconnect_sockets(anyone(), connection=True),
        lambda: emit("noise", to=random.choice(ROOMS)),
        lambda: fetch_sockets(random.choice(ROOMS), limit=5),
    ]
    while loop.time() < until:
        try:
            await asyncio.to_thread(random.choice(operations))
        except RealtimeError:
            await asyncio.sleep(0.1)
        done += 1
    return done


async def agree(crowd: Crowd) -> str:
    """Where the operations and the clients differ, or nothing."""
    page = await asyncio.to_thread(fetch_sockets, limit=10_000)
    if page.missing:
        return f"missing: {page.missing}"
    listed = {socket.sid for socket in page.sockets}
    there = {member.sid for member in crowd.connected}
    if listed != there:
        return f"{len(listed - there)} ghosts, {len(there - listed)} unlisted"
    sizes = await asyncio.to_thread(room_sizes, ROOMS)
    for member in crowd.members:
        member.heard.clear()
    for room in ROOMS:
        await asyncio.to_thread(emit, f"probe {room}", to=room)
    heard: dict[str, int] = {}
    for _ in range(30):
        heard = {room: sum(m.heard[f"probe {room}"] for m in crowd.connected) for room in ROOMS}
        if heard == dict(sizes):
            return ""
        await asyncio.sleep(0.1)
    return f"heard {heard}, sizes {sizes}"


@pytest.mark.usefixtures("real_layer")
async def test_operations_say_what_the_clients_say_after_chaos(
    farm: Farm, settings: Any, layer: str, logs: Logs
) -> None:
    async with Crowd() as crowd:
        site = await asyncio.to_thread(Site, farm, layer, crowd)
        settings.CHANNEL_LAYERS = channel_layers(site.redis.url, layer)
        settings.REALTIME = {"SITE": SITE, "EMIT_TIMEOUT": 2}
        try:
            for server in site.servers:
                await site.fill(server, SOCKETS // len(KINDS))
            until = asyncio.get_running_loop().time() + SECONDS
            meddlers = [asyncio.create_task(meddle(crowd, until)) for _ in range(3)]
            await site.replace()
            await site.restart_redis()
            await site.replace()
            assert sum(await asyncio.gather(*meddlers)) > 10

            difference = "the end was not reached"
            for _ in range(30):
                difference = await agree(crowd)
                if not difference:
                    break
                await asyncio.sleep(1)
            assert difference == ""
            assert len(crowd.connected) > SOCKETS / 4
            report = await asyncio.to_thread(fetch_nodes)
            assert len(report.nodes) == len(KINDS)
        finally:
            await asyncio.to_thread(site.end)
    logs.tolerate()
