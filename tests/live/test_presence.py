"""Who is here, with real clients of several processes, and what networks and crashes do to it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from realtime import apresence, presence
from realtime.presences.tracker import CONFIRM
from realtime.testing import real_layer
from tests.live.clients import Client, log_in
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm, start
from tests.live.layer_servers import LayerServer, layer_server
from tests.live.servers import Server
from tests.site.layers import SITE, channel_layers

HERE = "/here"


@pytest.fixture(scope="module", params=["core", "pubsub"])
def layer(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


class Page:
    """A client, and the people whom it was told of: it had the state when it was made."""

    def __init__(self, client: Client, people: set[str]) -> None:
        self.client = client
        self.people = people
        self.disconnect = client.disconnect
        self.call = client.call

    async def change(self) -> tuple[list[str], list[str]]:
        """Who joined and who left, by the next difference that the client is told."""
        _, differences = await self.client.next("presence:diff")
        joined, left = differences["joined"], differences["left"]
        names = [p["name"] for p in joined], [p["name"] for p in left]
        self.people = (self.people | set(names[0])) - set(names[1])
        return names

    async def sees(self, *people: str) -> None:
        """Follow the differences until these people are here, and nobody else."""
        while self.people != set(people):
            await self.change()

    async def signal(self, event: str) -> str:
        (name,) = await self.client.next(event)
        return str(name)

    def heard(self, *events: str) -> list[tuple[str, Any]]:
        """All events of these names so far."""
        return [(event, args) for event, args in self.client.log if event in events]


Enter = Callable[..., Awaitable[Page]]


@pytest.fixture
def enter(connect: Connect, room: str) -> Enter:
    """Connects a user, or nobody: `await enter(server, "ada")`; they are present in `room`."""
    known: dict[tuple[str, str], dict[str, str]] = {}

    async def enter(server: Server, name: str = "", **auth: Any) -> Page:
        key = (server.url, name)
        if name and key not in known:
            known[key] = await log_in(*key)
        auth = {"rooms": [room], **auth}
        client = await connect(server, HERE, auth=auth, headers=known.get(key, {}))
        people = []
        if auth["rooms"]:
            _, people = await client.next("presence:state")
        return Page(client, {person["name"] for person in people})

    return enter


# One process


async def test_clients_get_the_state_and_then_differences(
    server: Server, enter: Enter, room: str
) -> None:
    watcher = await enter(server, signals=[room])
    assert watcher.people == set()
    ada = await enter(server, "ada")
    assert ada.people == {"ada"}
    name, differences = await watcher.client.next("presence:diff")
    (joined,) = differences["joined"]
    assert (name, joined["name"], differences["left"]) == (room, "ada", [])
    assert joined["id"].isdigit()
    assert joined["since"].endswith("+00:00")
    second = await enter(server, "ada")
    assert await ada.call("who", room) == [["ada", 2]]
    assert await ada.call("who in a thread", room) == [["ada", 2]]
    await ada.disconnect()
    await second.call("leave", room)
    assert await watcher.change() == ([], ["ada"])
    assert await second.call("who", room) == []
    assert await watcher.signal("came") == "ada"
    assert await watcher.signal("went") == "ada"
    assert len(watcher.heard("presence:diff", "came", "went")) == 4


async def test_who_reloads_the_page_neither_leaves_nor_joins(
    server: Server, enter: Enter, room: str
) -> None:
    watcher = await enter(server, signals=[room])
    ada = await enter(server, "ada")
    assert await watcher.change() == (["ada"], [])
    for _ in range(3):
        await ada.disconnect()
        ada = await enter(server, "ada")
    assert await watcher.call("online", "ada")
    await ada.disconnect()
    assert await watcher.call("online", "ada")
    assert await watcher.change() == ([], ["ada"])
    assert await watcher.signal("went") == "ada"
    assert [event for event, _ in watcher.heard("came", "went")] == ["came", "went"]
    assert not await watcher.call("online", "ada")


async def test_room_can_be_joined_later_and_twice(server: Server, enter: Enter, room: str) -> None:
    ada = await enter(server, "ada", rooms=[])
    await ada.call("join", room)
    await ada.call("join", room)
    _, (person,) = await ada.client.next("presence:state")
    assert person["name"] == "ada"
    assert await ada.call("who", room) == [["ada", 1]]
    assert ada.client.waiting("presence:state") == []


# Two processes


@pytest.mark.redis
@pytest.mark.usefixtures("outside")
async def test_user_counts_once_over_all_processes(
    cluster: list[Server], enter: Enter, room: str
) -> None:
    first, second = cluster
    watchers = [await enter(server, signals=[room]) for server in cluster]
    pages = [await enter(server, "ada") for server in cluster]
    assert pages[1].people == {"ada"}
    for watcher in watchers:
        assert await watcher.change() == (["ada"], [])
    (ada,) = await apresence(room, HERE)
    assert (ada.user.name, ada.sockets) == ("ada", 2)
    assert await asyncio.to_thread(presence, room, HERE) == (ada,)
    assert await watchers[0].call("who", room) == [["ada", 2]]
    await pages[0].disconnect()
    # Over to the other process, as behind a balancer: for long enough, and still here.
    pages.append(await enter(first, "ada"))
    await pages[1].disconnect()
    await enter(second, "grace")
    for watcher in watchers:
        assert await watcher.change() == (["grace"], [])
    await pages[2].disconnect()
    for watcher in watchers:
        assert await watcher.change() == ([], ["ada"])
    for watcher in watchers:
        assert await watcher.signal("went") == "ada"
        assert [args for _, args in watcher.heard("came", "went")] == [
            ("ada",), ("grace",), ("ada",)
        ]  # fmt: skip
    assert [p.user.name for p in await apresence(room, HERE)] == ["grace"]
    assert await apresence("nobody was ever here", HERE) == ()


@pytest.mark.redis
async def test_signal_is_sent_once_for_what_happens_on_two_processes_at_a_time(
    cluster: list[Server], enter: Enter, room: str
) -> None:
    watcher = await enter(cluster[0], signals=[room])
    for _ in range(3):
        pages = await asyncio.gather(*[enter(server, "ada") for server in cluster])
        assert await watcher.signal("came") == "ada"
        await asyncio.gather(*[page.disconnect() for page in pages])
        assert await watcher.signal("went") == "ada"
        await asyncio.sleep(CONFIRM)  # each process has its own moment to agree
    await enter(cluster[1], "grace")
    assert await watcher.signal("came") == "grace"
    assert len(watcher.heard("came", "went")) == 7


@pytest.mark.redis
async def test_user_is_online_in_all_processes(
    cluster: list[Server], enter: Enter, room: str
) -> None:
    first, second = cluster
    watcher = await enter(second)
    # From a test before this one she may be in her grace period still.
    while await watcher.call("online", "grace"):
        await asyncio.sleep(0.1)
    grace = await enter(first, "grace", rooms=[])
    assert await watcher.call("online", "grace")
    await grace.disconnect()
    assert await watcher.call("online", "grace")
    while await watcher.call("online", "grace"):
        await asyncio.sleep(0.1)


# Crashes and outages


@pytest.fixture(scope="module")
def own_redis(farm: Farm, layer: str) -> Iterator[LayerServer]:
    """A Redis that the tests may restart."""
    server = layer_server(farm, "presence-redis")
    yield server
    farm.end(server)


@pytest.fixture(scope="module")
def mortals(farm: Farm, own_redis: LayerServer, layer: str) -> Iterator[list[Server]]:
    environment = {"LIVE_REDIS": own_redis.url, "LIVE_LAYER": layer, "LIVE_EMIT_TIMEOUT": "2"}
    servers = farm.own("daphne", "uvicorn", "daphne", **environment)
    yield servers
    farm.end(*servers)


@pytest.fixture
def three(
    mortals: list[Server], own_redis: LayerServer, layer: str, settings: Any
) -> Iterator[list[Server]]:
    """Servers that the tests may kill: those that one killed are there again for the next."""
    start(*(server for server in mortals if not server.running))
    settings.CHANNEL_LAYERS = channel_layers(own_redis.url, layer)
    settings.REALTIME = {"SITE": SITE}
    with real_layer():
        yield mortals


@pytest.mark.redis
async def test_users_of_a_killed_process_leave_once_everywhere(
    three: list[Server], enter: Enter, room: str, logs: Logs
) -> None:
    killed, *others = three
    watchers = [await enter(server, signals=[room]) for server in others]
    for name in ("ada", "grace"):
        await enter(killed, name)
    await enter(others[0], "grace")
    for watcher in watchers:
        await watcher.sees("ada", "grace")
    killed.kill()
    for watcher in watchers:
        assert await watcher.change() == ([], ["ada"])
        assert await watcher.signal("went") == "ada"
    assert [(p.user.name, p.sockets) for p in await apresence(room, HERE)] == [("grace", 1)]
    await enter(others[1], "ada")
    for watcher in watchers:
        assert await watcher.change() == (["ada"], [])
    await watchers[0].call("who", room)
    for watcher in watchers:
        assert [args[0] for _, args in watcher.heard("went")] == ["ada"]
    logs.tolerate()


@pytest.mark.redis
async def test_process_that_was_suspended_finds_its_users_present_again(
    three: list[Server], enter: Enter, room: str, logs: Logs
) -> None:
    suspended, *others = three
    sleeper = await enter(suspended, "ada", signals=[room])
    watcher = await enter(others[0], signals=[room])
    assert watcher.people == {"ada"}
    suspended.pause()
    assert await watcher.change() == ([], ["ada"])
    await enter(others[1], "grace")
    assert await watcher.change() == (["grace"], [])
    suspended.resume()
    assert await watcher.change() == (["ada"], [])
    await sleeper.sees("ada", "grace")
    logs.tolerate()


@pytest.mark.redis
async def test_processes_agree_after_redis_was_away(
    three: list[Server], enter: Enter, room: str, own_redis: LayerServer, logs: Logs
) -> None:
    watchers = [await enter(server) for server in three]
    ada = await enter(three[0], "ada")
    for watcher in watchers:
        assert await watcher.change() == (["ada"], [])
    own_redis.stop()
    await enter(three[1], "grace")
    assert await watchers[1].change() == (["grace"], [])
    await ada.disconnect()
    assert await watchers[0].change() == ([], ["ada"])
    own_redis.start()
    await asyncio.to_thread(own_redis.wait)
    await watchers[0].sees("grace")
    await watchers[1].sees("grace")
    await watchers[2].sees("grace")
    assert [p.user.name for p in await apresence(room, HERE)] == ["grace"]
    logs.tolerate()
