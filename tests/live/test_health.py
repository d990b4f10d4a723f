"""What a load balancer asks, of real processes on a Redis that comes and goes."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.live.clients import probe
from tests.live.conftest import Logs
from tests.live.farm import Farm
from tests.live.servers import STARTS_WITHIN, Redis, Server

LIVE, READY = "/socket.io/health/live", "/socket.io/health/ready"


async def until(url: str, condition: Callable[[int, Any], bool], **options: Any) -> Any:
    deadline = time.monotonic() + STARTS_WITHIN
    while not condition(*(answer := await probe(url, **options))):
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.1)
    return answer[1]


@pytest.mark.redis
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_ready_means_that_the_process_hears_itself(
    farm: Farm, kind: str, layer: str, logs: Logs
) -> None:
    logs.tolerate()  # channels-redis logs that its connection broke
    redis = Redis(farm.folder("health-redis"))
    farm.run(redis)
    (server,) = farm.own(kind, LIVE_REDIS=redis.url, LIVE_LAYER=layer, LIVE_EMIT_TIMEOUT="2")
    # Nobody but the prober talks to it, and its Host is none of ALLOWED_HOSTS.
    body = await until(server.url + READY, lambda status, _: status == 200, host="10.1.2.3:80")
    assert body == {"ready": True, "reasons": []}
    redis.pause()
    body = await until(server.url + READY, lambda status, _: status == 503)
    assert body["ready"] is False and "does not hear itself" in body["reasons"][0]
    assert await probe(server.url + LIVE) == (200, {"live": True})
    redis.resume()
    await until(server.url + READY, lambda status, _: status == 200)
    await asyncio.to_thread(farm.end, server, redis)


async def test_addresses_are_views_too_and_say_what_they_are_not(server: Server) -> None:
    await until(server.url + READY, lambda status, _: status == 200)
    assert await probe(f"{server.url}/healthz/live") == (200, {"live": True})
    assert await probe(f"{server.url}/healthz/ready") == (200, {"ready": True, "reasons": []})
    assert (await probe(f"{server.url}/socket.io/health/nonsense"))[0] == 404
    async with aiohttp.ClientSession() as session:
        async with session.post(server.url + READY) as response:
            assert response.status == 405
        async with session.head(server.url + READY) as response:
            assert response.status == 200 and await response.read() == b""
