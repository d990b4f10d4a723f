"""What a process leaves at a Sentinel when it has closed its layer."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from realtime.cluster.layers import close, configured
from realtime.testing import real_layer
from tests.live.farm import Farm
from tests.live.layer_servers import GROUNDS, LayerServer
from tests.site.layers import channel_layers

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def watched(farm: Farm) -> Iterator[LayerServer]:
    server = GROUNDS["sentinel"](farm, "watched-redis", False)
    yield server
    farm.end(server)


async def test_closed_layer_leaves_no_connection_to_sentinel(
    watched: LayerServer, layer: str, settings: Any
) -> None:
    settings.CHANNEL_LAYERS = channel_layers(watched.url, layer)
    with real_layer():
        own = configured()
    await own.group_send("news", {"type": "x"})
    with redis.Redis(port=urlsplit(watched.url).port or 0) as sentinel:
        assert others(sentinel)
        await close(own)
        async with asyncio.timeout(30):
            while others(sentinel):
                await asyncio.sleep(0.02)


def others(sentinel: redis.Redis) -> list[Any]:
    """The connections to a Sentinel but the one that asks."""
    own = str(sentinel.client_id())
    return [connection for connection in sentinel.client_list() if connection["id"] != own]
