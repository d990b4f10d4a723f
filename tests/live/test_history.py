"""What a room said before a client joined it, in Redis: said in one process, told in another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from realtime import aemit
from realtime.testing import real_layer
from tests.conformance.guest import Guest, cut
from tests.live.farm import Farm
from tests.live.recovering import SiteProcess, both_servers
from tests.live.servers import Redis
from tests.live.test_javascript import run
from tests.site.layers import channel_layers

pytestmark = [pytest.mark.redis, pytest.mark.usefixtures("cut_links")]

NAMESPACE = "/told"
REALTIME = {
    "SITE": "telling",
    "PING_INTERVAL": 25.0,
    "PING_TIMEOUT": 60.0,
    "LOGIN_CHECK_INTERVAL": 3600.0,
    "OUTBOX_MESSAGES": 1000,
    "MAX_ROOMS": 50,
    "RECOVERY": {"WINDOW": 60.0, "HISTORY": 600, "MAX_RETAINED": 5},
}


@pytest.fixture(scope="module")
def site(farm: Farm, redis_server: Redis) -> Iterator[list[SiteProcess]]:
    with both_servers(farm, "telling", REALTIME, site="telling", redis=redis_server) as site:
        yield site


@pytest.fixture
def outside(settings: Any, redis_server: Redis) -> Iterator[None]:
    settings.CHANNEL_LAYERS = channel_layers(redis_server.url, "core")
    settings.REALTIME = REALTIME
    with real_layer():
        yield


@pytest.fixture
async def speakers(site: list[SiteProcess]) -> list[Guest]:
    """A client in each process."""
    return [await Guest.visit(process, "speaker", NAMESPACE) for process in site]


async def visit(site: SiteProcess, room: str, **rooms: Any) -> Guest:
    return await Guest.visit(site, room, NAMESPACE, rooms=rooms)


def news(*numbers: int) -> list[list[Any]]:
    return [["news", number] for number in numbers]


async def test_newcomer_to_any_process_gets_the_last_events_of_a_room(
    site: list[SiteProcess], speakers: list[Guest], room: str
) -> None:
    for number in range(6):
        await speakers[number % 2].ask("say", room, "news", number)
    for process in site:
        guest = await visit(process, room, **{room: 3})
        assert await guest.settled() == news(3, 4, 5)
        late = await visit(process, room)
        await late.ask("enter told", room, {"seconds": 60})
        assert late.heard == news(*range(6))
        await late.ask("enter told", room, 5)
        assert await late.settled() == news(*range(6))


async def test_rule_of_a_room_gives_those_who_join_its_history(
    site: list[SiteProcess], speakers: list[Guest], room: str
) -> None:
    name = f"open.{room.replace(' ', '-')}"
    for number in range(6):
        await speakers[number % 2].ask("say", name, "news", number)
    for process in site:
        guest = await visit(process, room)
        [refusal] = await guest.ask("room:join", "open.closed")
        assert refusal["error"]["code"] == "forbidden"
        assert await guest.ask("room:join", name) == [{"room": name}]
        assert guest.heard == news(3, 4, 5)
        # Who is there already knows it, and who left may ask for it again.
        await guest.ask("room:join", name)
        assert guest.heard == news(3, 4, 5)
        await guest.ask("room:leave", name)
        await guest.ask("room:join", name)
        assert await guest.settled() == 2 * news(3, 4, 5)
    # Who comes back gets what was missed, and the past no second time.
    await speakers[1].ask("say", name, "news", 6)
    await cut(guest, speakers[1], room)
    assert guest.heard == [*2 * news(3, 4, 5), *news(6)]
    await speakers[0].ask("say", name, "news", 7)
    again = await guest.back(site[0], room)
    assert again.recovered and await again.settled() == news(7)
    await again.ask("room:join", name)
    assert await again.settled() == news(7)


async def test_client_that_comes_back_is_told_the_past_of_a_room_once(
    site: list[SiteProcess], speakers: list[Guest], room: str
) -> None:
    for here, there in ((0, 1), (1, 0)):
        own, new = f"{room} {here}", f"{room} new {here}"
        guest = await visit(site[here], own, **{own: 0})
        for number in range(4):
            # Nothing of it is heard in the process that the guest is in.
            await speakers[there].ask("say", new, "news", number)
        await guest.ask("enter told", new, 3)
        await cut(guest, speakers[here], own)
        assert guest.heard == news(1, 2, 3)
        await speakers[there].ask("say", new, "news", 4)
        await speakers[here].ask("say", own, "news", 5)
        guest = await guest.back(site[here], own)
        assert guest.recovered and await guest.settled() == news(4, 5)
        await cut(guest, speakers[here], own)
        guest = await guest.back(site[there], own)
        assert guest.recovered and await guest.settled() == []


async def test_each_event_comes_once_while_both_processes_go_on_talking(
    site: list[SiteProcess], speakers: list[Guest], room: str
) -> None:
    guests = [await visit(process, room) for process in site for _ in range(3)]
    talk = [asyncio.create_task(speaker.ask("count", room, 200)) for speaker in speakers]
    late = [
        asyncio.create_task(visit(process, room, **{room: 500}))
        for process in site
        for _ in range(3)
    ]
    for guest in guests:
        await guest.ask("enter told", room, 500)
    guests += await asyncio.gather(*late)
    await asyncio.gather(*talk)
    lists = [await guest.settled() for guest in guests]
    assert sorted(lists[0]) == sorted(2 * news(*range(200)))
    assert all(heard == lists[0] for heard in lists)


@pytest.mark.usefixtures("outside")
async def test_value_from_outside_is_there_at_once_and_the_newest_after_an_absence(
    site: list[SiteProcess], speakers: list[Guest], room: str
) -> None:
    async def set_price(price: int) -> None:
        await aemit("price", price, 0, to=room, namespace=NAMESPACE, retain="ACME")

    for price in range(3):
        await set_price(price)
    guest = await visit(site[0], room, **{room: 0})
    assert await guest.settled() == [["price", 2, 0]]
    other = await visit(site[1], room)
    await other.ask("enter", room)
    assert other.heard == [["price", 2, 0]]
    await cut(guest, speakers[0], room)
    for price in range(3, 20):
        await set_price(price)
    await speakers[1].ask("say", room, "news", 1)
    again = await guest.back(site[1], room)
    assert again.recovered
    assert await again.settled() == [["price", 19, 0], *news(1)]
    assert len(await other.settled()) == 19  # it was there all the time


async def test_keys_of_a_room_are_bounded(
    site: list[SiteProcess], speakers: list[Guest], room: str
) -> None:
    guest = await visit(site[0], room, **{room: 0})
    await cut(guest, speakers[0], room)
    for key in "ABCDEF":
        await speakers[0].ask("set", room, key, "price", key, 0)
    newcomer = await visit(site[1], room, **{room: 0})
    assert [said[1] for said in await newcomer.settled()] == list("BCDEF")
    again = await guest.back(site[1], room)
    assert not again.recovered  # it would have missed one


async def test_client_that_was_cut_amid_history_gets_the_rest_elsewhere(
    site: list[SiteProcess], speakers: list[Guest], room: str
) -> None:
    for number in range(6):
        await speakers[0].ask("say", room, "news", number)
    guest = await visit(site[0], room, **{room: 5})
    while len(guest.heard) < 2:
        guest.take(await guest.message())
    guest.cut()
    while (await speakers[0].ask("past", room))[0][-1][0] != "disconnect":
        await asyncio.sleep(0.02)
    again = await guest.back(site[1], room, rooms={room: 5})
    assert again.recovered
    assert guest.heard + await again.settled() == news(1, 2, 3, 4, 5)


async def test_rooms_joined_at_once_are_told_once_and_bounded(
    site: list[SiteProcess], speakers: list[Guest], room: str
) -> None:
    await speakers[0].ask("count", room, 5)
    guest = await visit(site[1], room)
    await guest.ask("enter at once", [room, room], 5)
    assert await guest.settled() == news(*range(5))
    answers = await guest.ask("enter at once", [f"{room} {number}" for number in range(60)], 5)
    [[_, rooms, _]] = await guest.ask("state")
    assert len(rooms) == 50
    assert answers[0].count("RoomError") == 60 - 48  # it is in two already


@pytest.mark.node
def test_javascript_client(site: list[SiteProcess], room: str) -> None:
    run("history", site[0], ROOM=room)
