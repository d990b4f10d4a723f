"""A Redis that is gone for good, whose replica Sentinel promotes."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from tests.conformance.guest import Guest
from tests.live.conftest import Logs
from tests.live.farm import Farm
from tests.live.recovering import SiteProcess, both_servers
from tests.live.servers import Redis, Sentinel, eventually
from tests.live.test_recovery import REALTIME, news

pytestmark = [
    pytest.mark.redis,
    pytest.mark.failover,
    pytest.mark.usefixtures("cut_links"),
    # Those to the Redis that was killed, which channels_redis leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@dataclass(frozen=True)
class Pair:
    """Two Redis, of which one follows the other, and who watches over them."""

    first: Redis
    second: Redis
    sentinel: Sentinel

    def is_watched(self) -> bool:
        with redis.Redis(port=self.sentinel.port or 0, decode_responses=True) as sentinel:
            found = sentinel.sentinel_slaves("live")
            return bool(found) and found[0]["master-link-status"] == "ok"


@pytest.fixture(params=["core", "pubsub"])
def layer(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def pair(farm: Farm) -> Iterator[Pair]:
    first = Redis(farm.folder("first-redis"), "--repl-diskless-sync-delay", "0")
    farm.run(first)
    second = Redis(farm.folder("second-redis"), "--replicaof", f"127.0.0.1 {first.port}")
    sentinel = Sentinel(farm.folder("sentinel"), first)
    farm.run(second, sentinel)
    pair = Pair(first, second, sentinel)
    eventually(pair.is_watched, sentinel.log.read_text)
    yield pair
    farm.end(second, sentinel)


@pytest.fixture
def site(farm: Farm, pair: Pair, layer: str) -> Iterator[list[SiteProcess]]:
    with both_servers(farm, "site", REALTIME, redis=pair.sentinel, layer=layer) as site:
        yield site


async def until_said(speaker: Guest, room: str, *args: Any, event: str = "say") -> None:
    """Emit again for as long as that fails, and so was not emitted."""
    async with asyncio.timeout(60):
        while await speaker.ask(event, room, "news", *args) != [None]:
            await asyncio.sleep(0.1)


async def test_replica_takes_over_with_the_sessions_and_the_logs(
    site: list[SiteProcess], pair: Pair, logs: Logs
) -> None:
    logs.tolerate()
    speakers = [await Guest.visit(process, "speaker") for process in site]
    guest, stays = [
        await Guest.visit(process, name) for process, name in zip(site, "ab", strict=True)
    ]
    for client in (guest, stays):
        await client.ask("enter", "room")
    await guest.settled()
    guest.cut()
    for number in range(3):
        await until_said(speakers[0], "room", number)
    with redis.Redis.from_url(pair.first.url) as first:
        assert first.wait(1, 5000) == 1
    pair.first.kill()
    for number in range(3, 6):
        await until_said(speakers[number % 2], "room", number)
    async with asyncio.timeout(60):
        while len(stays.heard) < 6:
            await stays.settled()
    assert stays.heard == news(range(6))
    again = await guest.back(site[1], "0")
    assert again.recovered
    assert again.heard == news(range(6))


async def test_namespace_without_recovery_flows_again(
    site: list[SiteProcess], pair: Pair, logs: Logs
) -> None:
    logs.tolerate()
    guests = [await Guest.visit(process, "a", "/fleeting") for process in site]
    for guest in guests:
        await guest.ask("enter", "room")
    pair.first.kill()
    async with asyncio.timeout(60):
        while not all(["news", "after"] in guest.heard for guest in guests):
            await guests[0].ask("say", "room", "news", "after")
            for guest in guests:
                await guest.settled()
            await asyncio.sleep(0.1)
