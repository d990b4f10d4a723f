"""What networks do to a site of two processes: each fault is done to the real thing.

After each, emits flow again by themselves, and of those that were sent in between every one was
either heard or counted as lost.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from realtime import emit, fetch_nodes
from realtime.cluster import groups
from realtime.node import publisher
from realtime.node.current import arun
from realtime.testing import real_layer
from tests.live.clients import Client, post
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.layer_servers import LayerServer, cut_connections, forget_groups, layer_server
from tests.live.servers import Server, eventually
from tests.site.layers import SITE, STAND_INS, channel_layers

pytestmark = pytest.mark.redis

#: What the site's clients are told when they have missed something.
RESYNC = "please fetch anew"
#: Of the layers' configuration: memberships end after some seconds.
EXPIRY = 6


@pytest.fixture(scope="module", params=["core", "pubsub"])
def layer(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def own_redis(farm: Farm, layer: str) -> Iterator[LayerServer]:
    """A Redis that the tests may harm."""
    server = layer_server(farm, "harmed-redis")
    yield server
    farm.end(server)


@pytest.fixture(scope="module")
def config(layer: str) -> dict[str, Any]:
    if layer == "pubsub":
        return {}
    return {"group_expiry": EXPIRY, "channel_capacity": {"realtime.*": 50}}


@pytest.fixture(scope="module")
def environment(own_redis: LayerServer, layer: str, config: dict[str, Any]) -> dict[str, str]:
    return {
        "LIVE_REDIS": own_redis.url,
        "LIVE_LAYER": layer,
        "LIVE_EMIT_TIMEOUT": "2",
        "LIVE_LAYER_CONFIG": json.dumps(config),
        "LIVE_RESYNC": RESYNC,
    }


@pytest.fixture(scope="module")
def servers(farm: Farm, environment: dict[str, str]) -> Iterator[list[Server]]:
    servers = farm.own("daphne", "uvicorn", **environment)
    yield servers
    farm.end(*servers)


@pytest.fixture(autouse=True)
def without_server(
    settings: Any, own_redis: LayerServer, layer: str, config: dict[str, Any]
) -> Iterator[None]:
    """This process is one more of the site, without a server."""
    settings.CHANNEL_LAYERS = channel_layers(own_redis.url, layer, **config)
    settings.REALTIME = {"SITE": SITE, "EMIT_TIMEOUT": 2}
    with real_layer():
        yield


class Line:
    """Emits of the first server to a client of the second, and the count of those that were lost.

    Whatever happens to them, each is heard or lost.
    """

    def __init__(self, sender: Server, receiver: Server, listener: Client, room: str) -> None:
        self.sender = sender
        self.receiver = receiver
        self.listener = listener
        self.room = room
        self.sent = 0
        self.heard: list[int] = []
        self.lost_before = 0

    async def begin(self) -> None:
        self.lost_before = await self.counter("lost")
        await self.flows()

    async def counter(self, name: str) -> int:
        counters = await asyncio.to_thread(_get, f"{self.receiver.url}/counts/")
        return int(counters.get(name, 0))

    async def send(self, times: int = 1) -> None:
        for _ in range(times):
            self.sent += 1
            order = {"event": "numbered", "args": [self.sent], "to": self.room}
            await post(f"{self.sender.url}/emit/", **order)

    def _listen(self) -> None:
        self.heard += [number for (number,) in self.listener.waiting("numbered")]

    async def flows(self) -> None:
        """Emit until one is heard: that it comes at all is what a fault may not change."""
        while True:
            await self.send()
            await asyncio.sleep(0.2)
            self._listen()
            if self.sent in self.heard:
                return
            assert self.sent < 1000, "nothing arrives any more"

    async def balances(self) -> int:
        """Wait until each emit is accounted for, none twice; return how many were lost."""
        lost = -1
        for _ in range(100):
            self._listen()
            lost = await self.counter("lost") - self.lost_before
            if len(self.heard) + lost == self.sent:
                break
            await asyncio.sleep(0.2)
        assert len(set(self.heard)) == len(self.heard)
        assert len(self.heard) + lost == self.sent
        return lost


def _get(url: str) -> dict[str, Any]:
    from urllib.request import urlopen

    with urlopen(url) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


@pytest.fixture
async def line(connect: Connect, servers: list[Server], room: str) -> Line:
    listener = await connect(servers[1], auth={"rooms": [room]})
    line = Line(servers[0], servers[1], listener, room)
    await line.begin()
    return line


async def node_ids() -> set[str]:
    report = await asyncio.to_thread(fetch_nodes)
    return {node.id for node in report.nodes}


async def test_redis_stopped_and_started_counts_what_was_lost_and_tells_the_clients(
    line: Line, own_redis: LayerServer, logs: Logs
) -> None:
    own_redis.stop()
    await line.send(3)
    own_redis.start()
    await asyncio.to_thread(own_redis.wait)
    await line.flows()
    assert await line.balances() >= 3
    assert await line.listener.next(RESYNC) == (line.room,)
    logs.expect("for 1 rooms, did not reach this one")


async def test_redis_paused_for_ten_seconds_flows_again(
    line: Line, own_redis: LayerServer, logs: Logs
) -> None:
    own_redis.pause()
    try:
        sending = asyncio.create_task(line.send(3))
        await asyncio.sleep(10)
    finally:
        own_redis.resume()
    await sending
    await line.flows()
    await line.balances()
    assert len(await node_ids()) == 2
    logs.tolerate()


async def test_connections_to_redis_cut_one_by_one_lose_nothing_uncounted(
    line: Line, own_redis: LayerServer, logs: Logs
) -> None:
    for _ in range(3):
        for _ in cut_connections(own_redis):
            await line.send()
        await line.flows()
    await line.balances()
    logs.tolerate()


async def test_deaf_node_says_so_and_subscribes_anew(
    line: Line, own_redis: LayerServer, logs: Logs
) -> None:
    """What it sends is taken, and nothing comes: nobody tells it but its own beats."""

    def is_said() -> bool:
        forget_groups(own_redis)
        return any("this process is deaf" in log for log in logs.read().values())

    await line.send(3)
    await asyncio.to_thread(eventually, is_said, lambda: "no node says that it is deaf")
    await line.flows()
    await line.balances()
    logs.tolerate()


async def test_suspended_node_resumes_with_what_it_missed_counted(
    line: Line, servers: list[Server], logs: Logs
) -> None:
    servers[1].pause()
    try:
        await line.send(3)
        await asyncio.sleep(8)
        report = await asyncio.to_thread(fetch_nodes)
        assert len(report.nodes) == 1
    finally:
        servers[1].resume()
    await line.flows()
    await line.balances()
    await asyncio.to_thread(
        eventually, lambda: len(fetch_nodes().nodes) == 2, lambda: "the node did not come back"
    )
    logs.tolerate()


async def test_full_channel_counts_what_did_not_fit(
    line: Line, servers: list[Server], layer: str, logs: Logs
) -> None:
    servers[1].pause()
    try:
        await line.send(120)
    finally:
        servers[1].resume()
    await line.flows()
    lost = await line.balances()
    # The others know no capacity: what has no place in the pubsub layer, Redis keeps or cuts off.
    assert lost >= 60 if STAND_INS.get(layer, layer) == "core" else lost >= 0
    logs.tolerate()


async def test_message_that_is_not_ours_changes_nothing(line: Line, logs: Logs) -> None:
    strange: list[Any] = [
        {"type": "chat.message"},
        {"type": "realtime.message"},
        {"type": "realtime.message", "kind": "emit", "node": "x", "number": 1, "version": 1},
        {"type": "realtime.message", "kind": "beat", "node": [], "number": {}, "version": 1},
        {"type": "realtime.message", "kind": "reply", "node": "x", "number": 2, "version": 99},
        {"type": "realtime.message", "kind": "beat", "node": "x", "site": "another's"},
    ]
    bus = publisher.publisher().bus
    for message in strange:
        ours = message if message.get("site") else message | {"site": bus.site.digest}
        sending = bus.layer.group_send(bus.group(groups.NODES), ours)
        await arun(lambda _, sending=sending: sending)
    await line.flows()
    assert await line.balances() == 0
    assert await line.counter("layer.malformed") >= 3
    assert await line.counter("layer.other_version") >= 1
    assert await line.counter("layer.other_site") >= 1
    logs.expect("not realtime")


async def test_membership_outlives_the_expiry_of_the_layer(line: Line) -> None:
    await asyncio.sleep(2 * EXPIRY)
    await asyncio.to_thread(emit, "old", to=line.room)
    await line.listener.next("old")


async def test_killed_node_is_gone_from_the_list_and_comes_back_as_another(
    farm: Farm, servers: list[Server], environment: dict[str, str], logs: Logs
) -> None:
    before = await node_ids()
    (third,) = farm.own("uvicorn", **environment)
    await asyncio.to_thread(_get, f"{third.url}/counts/")
    (own,) = await _until_changed(before)
    third.kill()
    await asyncio.to_thread(
        eventually,
        lambda: own not in {node.id for node in fetch_nodes().nodes} and not fetch_nodes().missing,
        lambda: "the killed node is still listed",
    )
    logs.expect(f"node {own} is gone")


async def _until_changed(before: set[str]) -> set[str]:
    while not (new := await node_ids() - before):
        await asyncio.sleep(0.1)
    return new
