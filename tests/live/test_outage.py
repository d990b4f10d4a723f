"""A Redis that goes away, hangs, and comes back empty."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from realtime import emit
from realtime.exceptions import ChannelLayerError
from realtime.metrics import counts
from realtime.testing import real_layer
from tests.live.clients import Client, post
from tests.live.conftest import Connect, Logs
from tests.live.deployment import Postgres
from tests.live.farm import Farm
from tests.live.layer_servers import LayerServer, layer_server
from tests.live.servers import Server, eventually
from tests.site.layers import SITE, channel_layers

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module", params=["core", "pubsub"])
def layer(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def own_redis(farm: Farm, layer: str) -> Iterator[LayerServer]:
    """A Redis that the tests may stop and start."""
    server = layer_server(farm, "own-redis")
    yield server
    farm.end(server)


@pytest.fixture(scope="module")
def servers(farm: Farm, own_redis: LayerServer, layer: str) -> Iterator[list[Server]]:
    servers = farm.own(
        "daphne", "uvicorn", LIVE_REDIS=own_redis.url, LIVE_LAYER=layer, LIVE_EMIT_TIMEOUT="2"
    )
    yield servers
    farm.end(*servers)


@pytest.fixture(autouse=True)
def without_server(settings: Any, own_redis: LayerServer, layer: str) -> Iterator[None]:
    """This process is one more of the site, without a server."""
    settings.CHANNEL_LAYERS = channel_layers(own_redis.url, layer)
    settings.REALTIME = {"SITE": SITE, "EMIT_TIMEOUT": 2}
    with real_layer():
        yield


async def arrives(listeners: list[Client], event: str, room: str) -> None:
    """Emit until all have heard: a server may need a moment to be back in its groups."""
    missing = list(listeners)

    def all_heard() -> bool:
        emit(event, to=room)
        missing[:] = [listener for listener in missing if not listener.waiting(event)]
        return not missing

    await asyncio.to_thread(eventually, all_heard, lambda: f"{event} was not heard by {missing}")


async def test_layer_that_is_down_is_named_and_heals_by_itself(
    connect: Connect,
    own_redis: LayerServer,
    servers: list[Server],
    logs: Logs,
    caplog: pytest.LogCaptureFixture,
    room: str,
) -> None:
    listeners = [await connect(server, auth={"rooms": [room]}) for server in servers]
    await asyncio.to_thread(emit, "before", to=room)
    for listener in listeners:
        await listener.next("before")

    own_redis.stop()
    with pytest.raises(ChannelLayerError, match="'default'"):
        await asyncio.to_thread(emit, "lost", to=room)
    silenced = counts["emits.silenced"]
    await asyncio.to_thread(emit, "lost", to=room, fail_silently=True)
    assert counts["emits.silenced"] == silenced + 1
    assert "the channel layer 'default' did not accept a message" in caplog.text
    answer = await post(f"{servers[0].url}/emit/", event="local", args=[], to=room)
    assert answer["error"] == "ChannelLayerError"
    assert "'default'" in answer["message"]
    await listeners[0].next("local")
    late = f"{room}, late"
    await listeners[0].call("join", late)
    newcomer = await connect(servers[1], auth={"rooms": [late]})

    own_redis.start()
    await asyncio.to_thread(own_redis.wait)
    await arrives(listeners, "after", room)
    await arrives([listeners[0], newcomer], "late", late)
    for sender, receiver in ((0, 1), (1, 0)):
        answer = await post(f"{servers[sender].url}/emit/", event="across", args=[], to=room)
        assert answer == {}
        await listeners[receiver].next("across")
    assert [listener.waiting("lost") for listener in listeners] == [[], []]
    logs.expect("the channel layer 'default' can't be reached")


async def test_layer_that_restarts_in_a_moment_has_all_groups_again(
    connect: Connect, own_redis: LayerServer, servers: list[Server], logs: Logs, room: str
) -> None:
    listeners = [await connect(server, auth={"rooms": [room]}) for server in servers]
    member = await connect(servers[0], "/groups")
    group = f"orders.{uuid.uuid4().hex}"
    await member.call("enter", group)
    for number in range(2):
        # Many pooled connections, each of which the restart makes useless.
        await asyncio.gather(*[asyncio.to_thread(emit, "burst", to=room) for _ in range(20)])
        own_redis.stop()
        own_redis.start()
        await asyncio.to_thread(own_redis.wait)
        await arrives(listeners, f"news {number}", room)
    # It has forgotten Channels' groups, too; channels_postgres itself never hears again.
    while not isinstance(own_redis, Postgres) and not member.waiting("paid"):
        await member.call("tell", group, {"type": "order.paid", "order": 1})
        await asyncio.sleep(0.1)
    logs.tolerate()


async def test_layer_that_hangs_is_given_up_in_time(
    connect: Connect, own_redis: LayerServer, servers: list[Server], logs: Logs, room: str
) -> None:
    listeners = [await connect(server, auth={"rooms": [room]}) for server in servers]
    await arrives(listeners, "before", room)
    own_redis.pause()
    try:
        with pytest.raises(ChannelLayerError, match="no answer in time"):
            await asyncio.to_thread(emit, "lost", to=room)
        answer = await post(f"{servers[0].url}/emit/", event="lost", args=[], to=room)
        assert "no answer in time" in answer["message"]
    finally:
        own_redis.resume()
    await arrives(listeners, "after", room)
    logs.tolerate()
