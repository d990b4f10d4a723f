"""`manage.py test` beside the running site, on one Redis: its clients get nothing of it."""

import asyncio

import pytest

from tests.live.conftest import Connect
from tests.live.servers import Redis, Server
from tests.test_testing_runs import run_sample

pytestmark = pytest.mark.redis


async def test_clients_of_the_running_site_get_nothing(
    connect: Connect, cluster: list[Server], redis_server: Redis, layer: str
) -> None:
    client = await connect(cluster[0], auth={"rooms": ["accounting", "lobby"]})
    await client.next("welcome")
    environment = {"SAMPLE_REDIS": redis_server.url, "SAMPLE_LAYER": layer}
    done = await asyncio.to_thread(run_sample, **environment)
    assert done.returncode == 0, done.stderr
    # What one of its tests emitted on purpose came, so the others could have reached it.
    await client.next("end")
    assert [event for event, _ in client.log] == ["connect", "welcome", "end"]
