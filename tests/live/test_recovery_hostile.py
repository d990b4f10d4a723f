"""Clients that come back in odd ways and at bad moments, through Redis, to whichever process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis.asyncio as asyncio_redis

from tests.conformance.guest import Guest, cut
from tests.conformance.raw import Closed, WebSocket
from tests.conformance.talker import WEBSOCKET
from tests.live.conftest import Logs
from tests.live.farm import Farm
from tests.live.recovering import SiteProcess, both_servers
from tests.live.servers import Redis

pytestmark = [pytest.mark.redis, pytest.mark.usefixtures("cut_links")]

NAMESPACE = "/told"
REALTIME = {
    "SITE": "hostile",
    "PING_INTERVAL": 25.0,
    "PING_TIMEOUT": 60.0,
    "LOGIN_CHECK_INTERVAL": 3600.0,
    "OUTBOX_MESSAGES": 200,
    "RECOVERY": {"WINDOW": 60.0},
}


@pytest.fixture(scope="module")
def redis(farm: Farm) -> Iterator[Redis]:
    """One of their own: what is cut here would be missed by the servers of other tests."""
    redis = Redis(farm.folder("hostile-redis"))
    farm.run(redis)
    yield redis
    farm.end(redis)


@pytest.fixture(scope="module")
def site(farm: Farm, redis: Redis) -> Iterator[list[SiteProcess]]:
    with both_servers(farm, "hostile", REALTIME, site="telling", redis=redis) as site:
        yield site


@pytest.fixture
async def speaker(site: list[SiteProcess]) -> Guest:
    return await Guest.visit(site[0], "speaker", NAMESPACE)


@pytest.fixture
async def reading() -> AsyncIterator[set[asyncio.Task[Any]]]:
    """Tasks that read for clients, so that these answer pings, until the test ends."""
    tasks: set[asyncio.Task[Any]] = set()
    yield tasks
    for task in tasks:
        task.cancel()


def claim(guest: Guest, name: str) -> str:
    auth = {"name": name, "pid": guest.pid} | ({"offset": guest.offset} if guest.offset else {})
    return f"40{guest.head}{json.dumps(auth)}"


async def opened(site: SiteProcess) -> WebSocket:
    websocket = await WebSocket.open(site.port or 0, WEBSOCKET)
    await websocket.receive()
    return websocket


@pytest.mark.parametrize("is_noticed", [True, False])
async def test_client_that_is_cut_at_each_stage_of_its_attempts_misses_nothing(
    site: list[SiteProcess], speaker: Guest, is_noticed: bool
) -> None:
    name = f"stages {is_noticed}"
    guest = await Guest.visit(site[0], name, NAMESPACE)
    await guest.ask("enter", name)
    await speaker.ask("say", name, "news", 0)
    if is_noticed:
        await cut(guest, speaker, name)
    else:
        await guest.settled()
        guest.cut()
    for process, seconds in zip(itertools.cycle(site), [None, None, 0, 0.002, 0.01, 0.03]):
        websocket = await opened(process)
        websocket.send(claim(guest, name))
        if seconds is not None:
            await asyncio.sleep(seconds)
        websocket.cut()
    await speaker.ask("say", name, "news", 1)
    again = await guest.back(site[1], name)
    assert again.recovered and again.sid == guest.sid
    assert await again.settled() == [["news", 1]]


async def test_missed_events_come_once_however_often_they_break_off(
    site: list[SiteProcess], speaker: Guest
) -> None:
    name = "pieces"
    guest = await Guest.visit(site[0], name, NAMESPACE)
    await guest.ask("enter", name)
    await cut(guest, speaker, name)
    for number in range(400):
        await speaker.ask("say", name, "news", number)
    got: list[int] = []
    for process, piece in zip(itertools.cycle(site), [1, 90, 7, 120, 60, 1000]):
        websocket = await opened(process)
        websocket.send(claim(guest, name))
        for _ in range(piece):
            message = await websocket.receive()
            assert isinstance(message, str)
            if message.startswith("40"):
                assert guest.pid and guest.pid in message
                break
            _, number, guest.offset = json.loads(message.removeprefix(f"42{guest.head}"))
            got.append(number)
        websocket.cut()
    assert got == list(range(400))


async def test_of_many_that_come_back_at_once_one_does(
    site: list[SiteProcess], speaker: Guest, reading: set[asyncio.Task[Any]]
) -> None:
    guest = await Guest.visit(site[0], "many", NAMESPACE)
    await cut(guest, speaker, "many")

    async def come(process: SiteProcess) -> Guest:
        again = await guest.back(process, "many")
        reading.add(asyncio.create_task(read(again)))
        return again

    again = await asyncio.gather(*(come(site[number % 2]) for number in range(20)))
    assert sum(guest.recovered for guest in again) == 1
    assert len({guest.sid for guest in again} | {guest.pid for guest in again}) == 40


async def read(guest: Guest) -> None:
    with contextlib.suppress(Closed):
        while True:
            await guest.message()


@pytest.mark.parametrize(("owner", "thief"), [(None, 7), (7, None)])
async def test_session_of_nobody_is_no_users_and_the_other_way_round(
    site: list[SiteProcess], speaker: Guest, owner: int | None, thief: int | None
) -> None:
    name = f"session of {owner}"
    guest = await Guest.visit(site[0], name, NAMESPACE, user=owner)
    await cut(guest, speaker, name)
    other = await Guest.visit(site[1], "thief", NAMESPACE, of=guest, user=thief)
    assert not other.recovered and other.sid != guest.sid
    again = await Guest.visit(site[1], name, NAMESPACE, of=guest, user=owner)
    assert again.recovered and again.sid == guest.sid


async def test_session_is_of_one_namespace_of_a_route(
    site: list[SiteProcess], speaker: Guest
) -> None:
    guests = {
        topic: await Guest.visit(site[0], topic, f"{NAMESPACE}/{topic}") for topic in ("a", "b")
    }
    for topic, guest in guests.items():
        await cut(guest, speaker, topic)
    websocket = await opened(site[1])  # one connection, on which both come back, at first swapped
    pids = {}
    for topic, of in [("a", "b"), ("b", "b")]:
        guest = guests[of]
        websocket.send(f"40{NAMESPACE}/{topic},{json.dumps({'name': topic, 'pid': guest.pid})}")
        answer = await websocket.receive()
        assert isinstance(answer, str) and answer.startswith(f"40{NAMESPACE}/{topic},")
        pids[topic] = json.loads(answer.partition(",")[2])["pid"]
    assert pids["a"] not in {guests["a"].pid, guests["b"].pid}
    assert pids["b"] == guests["b"].pid


@pytest.mark.parametrize(
    "command",
    [
        ("SCRIPT", "FLUSH"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("CLIENT", "KILL", "TYPE", "pubsub"),
    ],
    ids=lambda command: "-".join(command).lower(),
)
async def test_redis_forgets_scripts_or_cuts_connections_and_nothing_is_missing(
    site: list[SiteProcess], speaker: Guest, redis: Redis, command: tuple[str, ...], logs: Logs
) -> None:
    logs.tolerate()
    name = " ".join(command)
    away, stays = [
        await Guest.visit(process, f"{name} {n}", NAMESPACE) for n, process in enumerate(site)
    ]
    for guest in (away, stays):
        await guest.ask("enter", name)
    await cut(away, speaker, f"{name} 0")
    async with asyncio_redis.from_url(redis.url) as client:
        for number in range(6):
            assert await speaker.ask("say", name, "news", number) == [None]
            if number % 2:
                with contextlib.suppress(
                    asyncio_redis.ConnectionError
                ):  # our own may be among them
                    await client.execute_command(*command)
    expected = [["news", number] for number in range(6)]
    again = await away.back(site[1], f"{name} 0")
    assert again.recovered and await again.settled() == expected
    async with asyncio.timeout(30):
        while await stays.settled() != expected:
            await asyncio.sleep(0.02)


async def test_room_that_is_left_before_the_join_is_done_is_left(
    site: list[SiteProcess], speaker: Guest, redis: Redis
) -> None:
    for process in site:
        guest = await Guest.visit(process, "hasty", NAMESPACE)
        redis.pause()
        try:
            asked = asyncio.create_task(guest.ask("enter and exit", "hall"))
            await asyncio.sleep(0.5)
        finally:
            redis.resume()
        assert await asked == [True]
        assert (await guest.ask("state"))[0][1] == ["lobby"]
        await guest.ask("enter", "hall")
        await speaker.ask("say", "hall", "news", 1)
        assert await guest.settled() == [["news", 1]]
