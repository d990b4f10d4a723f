"""Each channel layer that docs/layers.md speaks of: a site of two processes on it.

Whole test files run on another layer by variables, see tests/live/layer_servers.py.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg import OperationalError

from realtime import acount_sockets, aemit, afetch_nodes
from realtime.cluster.layers import call_with_retries, configured
from realtime.exceptions import ChannelLayerError
from realtime.testing import real_layer
from tests.live.clients import Client, log_in, post
from tests.live.conftest import Connect, Logs
from tests.live.deployment import Postgres
from tests.live.farm import Farm
from tests.live.layer_servers import GROUNDS, LayerServer, cut_connections
from tests.live.servers import Server, manage
from tests.site.layers import SITE, channel_layers

#: Connections of this process to a server that was stopped, which redis-py closes when it uses them
#: again: for another layer it does not.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
#: A question waits this long only for a node that is silent. Seconds.
TIMEOUT = 20.0


#: A layer, and what it stands on.
SETUPS = {
    "core, TLS": ("core", "tls"),
    "pubsub, TLS": ("pubsub", "tls"),
    "core, Sentinel": ("core", "sentinel"),
    "pubsub, Sentinel": ("pubsub", "sentinel"),
    "core, two hosts": ("core", "two hosts"),
    "pubsub, two hosts": ("pubsub", "two hosts"),
    "core, Redis 8": ("core", "redis 8"),
    "pubsub, Redis 8": ("pubsub", "redis 8"),
    "core, Valkey": ("core", "valkey"),
    "pubsub, Valkey": ("pubsub", "valkey"),
    "channels_valkey core": ("valkey", "valkey"),
    "channels_valkey pubsub": ("valkey-pubsub", "valkey"),
    "channels_postgres": ("postgres", "postgres"),
}
#: What runs without `--full`.
BRIEF = ["core, Sentinel", "pubsub, TLS", "channels_postgres"]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A layer, and the server that it stands on."""

    kind: str
    server: LayerServer

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LIVE_REDIS": self.server.url,
            "LIVE_LAYER": self.kind,
            "LIVE_EMIT_TIMEOUT": "4",
        }


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names: Iterable[str] = SETUPS if metafunc.config.getoption("full") else BRIEF
    if metafunc.definition.get_closest_marker("postgres"):
        names = ["channels_postgres"]
    if "ground" in metafunc.fixturenames:
        metafunc.parametrize("ground", list(map(parameter, names)), indirect=True, scope="module")


def parameter(name: str) -> Any:
    kind, _ = SETUPS[name]
    marker = "postgres" if kind == "postgres" else "redis"
    return pytest.param(name, id=name, marks=getattr(pytest.mark, marker))


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, farm: Farm) -> Iterator[Ground]:
    kind, server = SETUPS[request.param]
    ground = Ground(kind=kind, server=GROUNDS[server](farm, "layer", False))
    yield ground
    farm.end(ground.server)


@pytest.fixture(scope="module")
def servers(farm: Farm, ground: Ground) -> Iterator[list[Server]]:
    servers = farm.own("daphne", "uvicorn", **ground.environment)
    yield servers
    farm.end(*servers)


@pytest.fixture(autouse=True)
def without_server(settings: Any, ground: Ground) -> Iterator[None]:
    """This process is one more of the site, without a server."""
    settings.CHANNEL_LAYERS = channel_layers(ground.server.url, ground.kind)
    settings.REALTIME = {"SITE": SITE, "EMIT_TIMEOUT": 4}
    with real_layer():
        yield
    # Now, where it is expected: channels_redis leaves its connections to Sentinels to it.
    gc.collect()


async def heard(listeners: list[Client], event: str, *args: Any) -> None:
    for listener in listeners:
        assert await listener.next(event) == args


async def test_emits_from_outside_and_from_a_view_reach_both_processes(
    connect: Connect, servers: list[Server], room: str
) -> None:
    listeners = [await connect(server, auth={"rooms": [room]}) for server in servers]
    # More than a NOTIFY of PostgreSQL holds, and bytes.
    for payload in ("short", "x" * 100_000, b"\x00\xff" * 10_000):
        await aemit("news", payload, to=room)
        await heard(listeners, "news", payload)
    for server in servers:
        assert await post(f"{server.url}/emit/", event="view", args=[1], to=room) == {}
        await heard(listeners, "view", 1)


async def test_a_burst_arrives_whole_and_in_order(
    connect: Connect, servers: list[Server], room: str
) -> None:
    listeners = [await connect(server, auth={"rooms": [room]}) for server in servers]
    for number in range(200):
        await aemit("news", number, to=room)
    for listener in listeners:
        assert [(await listener.next("news"))[0] for _ in range(200)] == list(range(200))


async def test_questions_are_answered_by_both_processes(
    connect: Connect, servers: list[Server], room: str
) -> None:
    for server in servers:
        await connect(server, auth={"rooms": [room]})
    counted = await acount_sockets(room, timeout=TIMEOUT)
    assert (counted, counted.missing) == (2, ())
    report = await afetch_nodes(timeout=TIMEOUT)
    assert len(report.nodes) == 2
    assert all(node.healthy for node in report.nodes)


async def test_presence_is_seen_in_the_other_process(
    connect: Connect, servers: list[Server], room: str
) -> None:
    auth = {"rooms": [room]}
    watcher = await connect(servers[0], "/here", auth=auth)
    await watcher.next("presence:state")
    ada = await connect(servers[1], "/here", auth=auth, headers=await log_in(servers[1].url, "ada"))
    _, change = await watcher.next("presence:diff")
    assert [person["name"] for person in change["joined"]] == ["ada"]
    await ada.disconnect()
    _, change = await watcher.next("presence:diff")
    assert [person["name"] for person in change["left"]] == ["ada"]


async def test_log_out_in_one_process_ends_the_sockets_of_the_other(
    connect: Connect, servers: list[Server]
) -> None:
    headers = await log_in(servers[0].url, "grace")
    client = await connect(servers[1], headers=headers)
    await post(f"{servers[0].url}/log-out/", headers=headers)
    await client.next("disconnect")


async def test_layer_that_was_away_heals_by_itself(
    connect: Connect, servers: list[Server], ground: Ground, logs: Logs, room: str
) -> None:
    listeners = [await connect(server, auth={"rooms": [room]}) for server in servers]
    await aemit("before", to=room)
    await heard(listeners, "before")
    ground.server.stop()
    with pytest.raises(ChannelLayerError, match="'default'"):
        await aemit("lost", to=room)
    ground.server.start()
    await asyncio.to_thread(ground.server.wait)
    await until_heard(listeners, room)
    assert [listener.waiting("lost") for listener in listeners] == [[], []]
    logs.tolerate()


async def until_heard(listeners: list[Client], room: str) -> None:
    missing = list(listeners)
    async with asyncio.timeout(60):
        while missing:
            with contextlib.suppress(ChannelLayerError):
                await aemit("after", to=room)
            await asyncio.sleep(0.2)
            missing = [listener for listener in missing if not listener.waiting("after")]


@pytest.mark.postgres
async def test_doctor_looks_into_the_tables_of_postgres(
    ground: Ground, servers: list[Server], layer: Any
) -> None:
    assert isinstance(ground.server, Postgres)
    with ground.server.connected() as surgeon:
        surgeon.execute(
            "INSERT INTO channels_postgres_groupchannel (group_key, channel, expire)"
            " SELECT number::text, 'nobody', now() FROM generate_series(1, 2500) number"
        )
        surgeon.execute("SELECT setval('channels_postgres_message_id_seq', 2000000000)")
        said = await doctor(servers[0], ground)
        assert "CREATE INDEX CONCURRENTLY ON channels_postgres_groupchannel (group_key)" in said
        assert "ALTER SEQUENCE channels_postgres_message_id_seq CYCLE" in said
        surgeon.execute("CREATE INDEX ON channels_postgres_groupchannel (group_key)")
        surgeon.execute("ALTER SEQUENCE channels_postgres_message_id_seq CYCLE")
        said = await doctor(servers[0], ground)
        assert "CREATE INDEX" not in said
        assert "ALTER SEQUENCE" not in said
        # The last of all ids, and the first again.
        surgeon.execute("DELETE FROM channels_postgres_message")
        surgeon.execute("SELECT setval('channels_postgres_message_id_seq', 2147483646)")
        channel = await layer.new_channel("realtime")
        for number in range(3):
            await layer.send(channel, {"number": number})
        surgeon.execute("DELETE FROM channels_postgres_groupchannel WHERE channel = 'nobody'")


async def doctor(server: Server, ground: Ground) -> str:
    arguments = ["realtime", "doctor", "--url", server.url]
    done = await asyncio.to_thread(manage, *arguments, environment=ground.environment)
    assert "PostgreSQL holds" in done.stdout, done.stdout + done.stderr
    return done.stdout


# What channels_postgres does not do by itself


@pytest.fixture
async def layer(ground: Ground) -> AsyncIterator[Any]:
    """The layer of PostgreSQL, as a bus has it."""
    layer = configured()
    yield layer
    await layer.close_pools()


@pytest.mark.postgres
async def test_postgres_keeps_what_is_sent_while_nobody_listens(ground: Ground, layer: Any) -> None:
    channel = await layer.new_channel("realtime")
    await layer.group_add("kept", channel)
    await layer.group_send("kept", {"number": 0})
    assert await layer.receive(channel) == {"number": 0}
    for _ in cut_connections(ground.server):
        pass
    sent = [{"number": number, "text": "x" * 5_000 * number} for number in range(1, 6)]
    for message in sent:
        await call_with_retries(layer.group_send, "kept", message)
    with pytest.raises(OperationalError):
        await layer.receive(channel)
    heard = [await layer.receive(channel) for _ in range(6)]
    # The bus knows what comes twice by its number.
    assert [message for message in heard if message["number"]] == sent


@pytest.mark.postgres
async def test_new_process_leaves_others_their_messages_in_postgres(
    ground: Ground, layer: Any
) -> None:
    channel = await layer.new_channel("realtime")
    await layer.send(channel, {"text": "x" * 20_000})
    newcomer = configured()
    hearing = asyncio.ensure_future(newcomer.receive(await newcomer.new_channel("realtime")))
    await asyncio.sleep(0.5)
    assert await layer.receive(channel) == {"text": "x" * 20_000}
    hearing.cancel()
    await asyncio.wait([hearing])
    await newcomer.close_pools()


@pytest.mark.postgres
async def test_membership_that_expired_costs_postgres_nothing(layer: Any) -> None:
    gone, here = [await layer.new_channel("realtime") for _ in range(2)]
    layer.group_expiry = -1
    await layer.group_add("realtime.expired", gone)
    layer.group_expiry = 60
    await layer.group_add("realtime.expired", here)
    await layer.group_add("realtime.expired", here)  # renewed
    await layer.group_send("realtime.expired", {"number": 1})
    assert await layer.receive(here) == {"number": 1}
    assert await rows(layer, "groupchannel", gone) == await rows(layer, "message", gone) == 0
    assert await rows(layer, "groupchannel", here) == await rows(layer, "message", here) == 1


async def rows(layer: Any, table: str, channel: str) -> int:
    """How many of a table of channels_postgres are a channel's."""
    [[number]] = await layer._run(
        f"SELECT count(*) FROM channels_postgres_{table} WHERE channel = %s", (channel,)
    )
    return int(number)
