"""Clients that come back to another process, whatever became of theirs, through Redis."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis.asyncio as asyncio_redis
from django.core.management import CommandError, call_command

from realtime import emit
from realtime.cluster.layers import redis_prefix
from realtime.cluster.site import current_site
from realtime.exceptions import ChannelLayerError
from realtime.recovery.redis import scripts
from realtime.recovery.redis.names import Names
from realtime.testing import real_layer
from tests.conformance.guest import Guest, cut, gone
from tests.conformance.raw import Closed
from tests.live.conftest import Logs
from tests.live.farm import Farm
from tests.live.layer_servers import LayerServer, addresses, layer_server
from tests.live.recovering import SiteProcess, both_servers
from tests.live.servers import eventually
from tests.live.test_javascript import MSGPACK_BUILD, run
from tests.site.layers import channel_layers

pytestmark = [pytest.mark.redis, pytest.mark.usefixtures("cut_links")]

REALTIME = {
    "SITE": "recovering",
    "PING_INTERVAL": 25.0,
    "PING_TIMEOUT": 60.0,
    "EMIT_TIMEOUT": 5.0,
    "REQUEST_TIMEOUT": 2.0,
    "DRAIN_TIMEOUT": 5.0,
    "LOGIN_CHECK_INTERVAL": 3600.0,
    "RECOVERY": {"WINDOW": 60.0},
}


@pytest.fixture(scope="module", params=["core", "pubsub"])
def layer(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def redis(farm: Farm, layer: str) -> Iterator[LayerServer]:
    """A Redis that keeps its data, and that the tests may stop and start."""
    server = layer_server(farm, "recovering-redis", keeps=True)
    yield server
    farm.end(server)


@pytest.fixture(scope="module")
def site(farm: Farm, redis: LayerServer, layer: str) -> Iterator[list[SiteProcess]]:
    """Two processes of the site."""
    with both_servers(farm, "site", REALTIME, redis=redis, layer=layer) as site:
        yield site


@pytest.fixture
def further(farm: Farm, redis: LayerServer, layer: str) -> Iterator[Callable[[str], SiteProcess]]:
    """Starts a further process, for the test to end."""
    started: list[SiteProcess] = []

    def start(kind: str) -> SiteProcess:
        process = SiteProcess(kind, farm.folder("further"), REALTIME, redis=redis, layer=layer)
        farm.run(process)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.running:
            farm.end(process)


@pytest.fixture
def outside(settings: Any, redis: LayerServer, layer: str) -> Iterator[None]:
    """This very process is one of that site, without a server."""
    settings.CHANNEL_LAYERS = channel_layers(redis.url, layer)
    settings.REALTIME = REALTIME
    with real_layer():
        yield


@pytest.fixture
async def speakers(site: list[SiteProcess]) -> list[Guest]:
    """A client in each process."""
    return [await Guest.visit(process, "speaker") for process in site]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


async def say(speakers: list[Guest], room: Any, numbers: range) -> None:
    """Let them speak in turn, to a room or several."""
    for number in numbers:
        answer = await speakers[number % len(speakers)].ask("say", room, "news", number)
        assert answer == [None]


def news(numbers: range) -> list[list[Any]]:
    return [["news", number] for number in numbers]


async def hears(guest: Guest, expected: list[list[Any]]) -> None:
    """Wait until a client has heard something, which is all."""
    async with asyncio.timeout(30):
        while len(guest.heard) < len(expected) and guest.heard == expected[: len(guest.heard)]:
            await guest.ask("state")
            await asyncio.sleep(0.02)
    assert guest.heard == expected


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def alone(request: pytest.FixtureRequest, farm: Farm) -> Iterator[SiteProcess]:
    """A process without a Redis."""
    alone = SiteProcess(request.param, farm.folder("alone"), REALTIME)
    farm.run(alone)
    yield alone
    farm.end(alone)


@pytest.mark.node
def test_stock_client_is_recovered(alone: SiteProcess, transports: list[str]) -> None:
    run("recovery", alone, TRANSPORTS=",".join(transports))


@pytest.mark.node
def test_missed_events_come_once_where_the_answer_behind_them_is_lost(
    alone: SiteProcess, transports: list[str]
) -> None:
    run("torn", alone, TRANSPORTS=",".join(transports))


@pytest.mark.any_layer
@pytest.mark.node
def test_missed_events_come_once_where_the_answer_is_lost_in_another_process(
    site: list[SiteProcess],
) -> None:
    run("torn", site[0], TRANSPORTS="websocket", SECOND=site[1].url)


@pytest.mark.node
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_stock_client_is_recovered_in_msgpack(farm: Farm, kind: str) -> None:
    site = SiteProcess(kind, farm.folder("msgpack"), REALTIME | {"PARSER": "msgpack"})
    farm.run(site)
    run("recovery", site, TRANSPORTS="polling,websocket", BUILD=MSGPACK_BUILD)
    farm.end(site)


@pytest.mark.any_layer
@pytest.mark.node
def test_stock_client_is_recovered_in_another_process(site: list[SiteProcess]) -> None:
    run("recovery", site[1], TRANSPORTS="websocket", SECOND=site[0].url)


async def test_client_comes_back_to_another_process_and_again(
    site: list[SiteProcess], speakers: list[Guest], name: str
) -> None:
    guest = await Guest.visit(site[0], name)
    await guest.ask("enter", name)
    await guest.ask("keep", "colour", "red")
    await say(speakers, name, range(4))
    await hears(guest, news(range(4)))
    for turn in range(1, 4):
        await cut(guest, speakers[(turn - 1) % 2], name)
        await say(speakers, [name, guest.sid, "lobby"], range(4 * turn, 4 * turn + 4))
        again = await guest.back(site[turn % 2], name)
        assert again.recovered and again.sid == guest.sid
        assert again.heard == news(range(4 * turn, 4 * turn + 4))
        [[sid, rooms, data]] = await again.ask("state")
        assert (sid, rooms, data) == (guest.sid, ["lobby", name], {"colour": "red"})
        guest = again
    await say(speakers, [name, guest.sid], range(16, 20))
    await hears(guest, news(range(12, 20)))


@pytest.mark.any_layer
async def test_events_of_all_processes_are_in_one_order(
    site: list[SiteProcess], speakers: list[Guest], name: str
) -> None:
    guests = [await Guest.visit(process, f"{name} {n}") for n, process in enumerate(site)]
    for guest in guests:
        await guest.ask("enter", name)
        await guest.ask("enter", f"{name} 2")
    await asyncio.gather(
        *(
            speaker.ask("say", room, "news", f"{number} of {n}")
            for n, speaker in enumerate(speakers)
            for number, room in [(0, name)]
        )
    )
    for number in range(1, 50):
        await asyncio.gather(
            speakers[0].ask("say", name, "news", f"{number} of 0"),
            speakers[1].ask("say", f"{name} 2", "news", f"{number} of 1"),
        )
    for guest in guests:
        async with asyncio.timeout(30):
            while len(guest.heard) < 100:
                await guest.ask("state")
    assert guests[0].heard == guests[1].heard
    assert guests[0].offset == guests[1].offset


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_client_comes_back_after_its_process_was_killed(
    site: list[SiteProcess],
    further: Callable[[str], SiteProcess],
    speakers: list[Guest],
    name: str,
    kind: str,
    logs: Logs,
) -> None:
    process = further(kind)
    guest = await Guest.visit(process, name)
    await guest.ask("enter", name)
    await guest.ask("keep", "colour", "red")
    await say(speakers, name, range(3))
    await hears(guest, news(range(3)))
    process.kill()
    await say(speakers, name, range(3, 6))
    again = await guest.back(site[0], name)
    assert again.recovered and again.sid == guest.sid
    assert again.heard == news(range(3, 6))
    [[_, rooms, data]] = await again.ask("state")
    assert (rooms, data) == (["lobby", name], {"colour": "red"})
    await say(speakers, [name, guest.sid], range(6, 8))
    await hears(again, news(range(3, 8)))


@pytest.mark.any_layer
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_client_comes_back_after_its_process_was_shut_down(
    site: list[SiteProcess],
    further: Callable[[str], SiteProcess],
    speakers: list[Guest],
    name: str,
    kind: str,
) -> None:
    process = further(kind)
    guest = await Guest.visit(process, name)
    await guest.ask("enter", name)
    await guest.settled()
    await asyncio.to_thread(process.stop)
    await say(speakers, name, range(3))
    again = await guest.back(site[1], name)
    assert again.recovered and again.sid == guest.sid
    assert again.heard == news(range(3))


async def test_redis_that_restarts_with_its_data_loses_nothing(
    site: list[SiteProcess], speakers: list[Guest], redis: LayerServer, name: str, logs: Logs
) -> None:
    logs.tolerate()
    guest, stays = [await Guest.visit(process, f"{name} {n}") for n, process in enumerate(site)]
    for client in (guest, stays):
        await client.ask("enter", name)
    await say(speakers, name, range(2))
    await hears(guest, news(range(2)))
    await cut(guest, speakers[0], f"{name} 0")
    await say(speakers, name, range(2, 4))
    redis.stop()
    redis.start()
    redis.wait()
    said = 4
    async with asyncio.timeout(30):
        while said < 8:  # what fails is answered with an error, and was not emitted
            answer = await speakers[said % 2].ask("say", name, "news", said)
            said += answer == [None]
    await hears(stays, news(range(8)))
    again = await guest.back(site[1], f"{name} 0")
    assert again.recovered
    assert again.heard == news(range(2, 8))


async def test_client_that_comes_back_while_redis_restarts_waits_or_comes_again(
    site: list[SiteProcess], speakers: list[Guest], redis: LayerServer, name: str, logs: Logs
) -> None:
    logs.tolerate()
    guests = [await Guest.visit(process, f"{name} {n}") for n, process in enumerate(site)]
    for n, guest in enumerate(guests):
        await say(speakers, guest.sid, range(1))
        await hears(guest, news(range(1)))
        await cut(guest, speakers[0 if n == 0 else 1], f"{name} {n}")
        await say(speakers, guest.sid, range(1, 3))
    redis.stop()
    coming = [
        asyncio.create_task(comes_back(guest, site[1 - n], f"{name} {n}"))
        for n, guest in enumerate(guests)
    ]
    for speaker in speakers:  # the servers have heard of those by then, and go on
        await speaker.settled()
    redis.start()
    redis.wait()
    for guest, again in zip(guests, await asyncio.gather(*coming), strict=True):
        assert again.recovered and again.sid == guest.sid
        assert again.heard == news(range(1, 3))


async def comes_back(guest: Guest, site: SiteProcess, name: str) -> Guest:
    """Like the stock client, which tries again when its connection is closed."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(Closed):
                return await guest.back(site, name)


@pytest.mark.any_layer
async def test_client_that_comes_back_without_redis_is_as_good_as_new_in_the_end(
    site: list[SiteProcess], redis: LayerServer, name: str, logs: Logs
) -> None:
    logs.tolerate()
    speaker = await Guest.visit(site[0], "speaker")
    guest = await Guest.visit(site[0], name, "/brief")
    await cut(guest, speaker, name)
    redis.stop()
    try:
        again = await comes_back(guest, site[1], name)
        assert again.pid and not again.recovered and again.sid != guest.sid
        logs.expect("was not recovered: the store of sessions is away")
        newcomer = await Guest.visit(site[1], name)  # never had a session: it is not kept waiting
        assert newcomer.pid
    finally:
        redis.start()
        redis.wait()


@pytest.mark.any_layer
async def test_redis_that_is_full_gives_a_fresh_session_and_refuses_events(
    site: list[SiteProcess], speakers: list[Guest], redis: LayerServer, name: str, logs: Logs
) -> None:
    guest = await Guest.visit(site[0], name)
    await cut(guest, speakers[0], name)
    async with asyncio_redis.from_url(addresses(redis)[0]) as client:
        await client.config_set("maxmemory", "1")
        try:
            again = await guest.back(site[1], name)
            assert again.pid and not again.recovered and again.sid != guest.sid
            logs.expect("was not recovered: the store of sessions is full")
            [answer] = await speakers[0].ask("say", name, "lost")
            assert answer == {"error": {"code": "internal", "message": "Internal error"}}
        finally:
            await client.config_set("maxmemory", "0")
    # Its session is written as soon as there is room.
    await say(speakers, again.sid, range(2))
    await hears(again, news(range(2)))
    late = await guest.back(site[1], name)
    assert late.recovered and late.sid == guest.sid


@pytest.mark.any_layer
async def test_event_whose_message_was_lost_is_read_from_the_log(
    site: list[SiteProcess], speakers: list[Guest], redis: LayerServer, name: str, outside: None
) -> None:
    guest = await Guest.visit(site[0], name)
    await guest.ask("enter", name)
    await say(speakers, name, range(2))
    await hears(guest, news(range(2)))
    await say_again_unheard(redis, name)
    await say(speakers, name, range(2, 4))
    await hears(guest, [*news(range(2)), *news(range(1)), *news(range(2, 4))])


async def say_again_unheard(redis: LayerServer, room: str) -> str:
    """Log the first event of a room once more, of which no process hears; its offset."""
    names = Names(redis_prefix(), current_site().digest)
    stream = names.stream(("/", room))
    async with asyncio_redis.from_url(addresses(redis)[0]) as client:
        [(_, said)] = await client.xrange(stream, count=1)
        args = [10_000, 60_000, 8_000_000, "tag", "0", said[b"b"], "what nobody hears", 60_000]
        keys = [names.head("/"), stream, names.values(("/", room))]
        offset: bytes = await client.eval(scripts.LOG, len(keys), *keys, *args)
    return offset.decode()


@pytest.mark.any_layer
async def test_client_knows_more_than_the_process_that_it_comes_back_to(
    site: list[SiteProcess], speakers: list[Guest], redis: LayerServer, name: str, outside: None
) -> None:
    guest, watcher = await Guest.visit(site[0], name), await Guest.visit(site[1], f"{name} watches")
    for client in (guest, watcher):
        await client.ask("enter", name)
    await say(speakers, name, range(2))
    await hears(guest, news(range(2)))
    # As if a third process had told it; the others are behind.
    guest.offset = await say_again_unheard(redis, name)
    guest.cut()
    again = await guest.back(site[1], name)
    assert again.recovered
    await say(speakers, name, range(2, 4))
    await hears(again, news(range(2, 4)))
    await hears(watcher, [*news(range(2)), *news(range(1)), *news(range(2, 4))])


@pytest.mark.any_layer
async def test_volatile_event_in_a_process_that_is_behind_does_not_set_the_offset_back(
    further: Callable[[str], SiteProcess], site: list[SiteProcess], speakers: list[Guest], name: str
) -> None:
    guest = await Guest.visit(site[0], name)
    await guest.ask("enter", name)
    await say(speakers, name, range(4))
    await hears(guest, news(range(4)))
    await cut(guest, speakers[0], name)
    await say(speakers, name, range(4, 5))
    again = await guest.back(further("uvicorn"), name)
    known = again.offset
    assert known is not None
    await again.ask("say volatile", name, "flash", "a text at its end")
    assert again.heard == [["news", 4], ["flash", "a text at its end"]]
    assert again.offset == known
    again.cut()
    once_more = await again.back(site[0], name)
    assert once_more.recovered and once_more.heard == []


@pytest.mark.any_layer
async def test_operations_reach_clients_that_are_away_wherever_they_were(
    site: list[SiteProcess], speakers: list[Guest], name: str, further: Callable[[str], SiteProcess]
) -> None:
    killed = further("daphne")
    guests = [await Guest.visit(process, f"{name} {process.name}") for process in (*site, killed)]
    for guest in guests:
        await guest.ask("enter", name)
        await guest.ask("enter", f"{name} too")
    await asyncio.sleep(1)  # until that is written
    for guest in guests[:2]:
        guest.cut()
    await dead(killed)
    await speakers[0].ask("steer", "join", f"{name} new", f"{name} too")
    await speakers[1].ask("steer", "leave", name, f"{name} too")
    await say(speakers, name, range(1))
    await say(speakers, f"{name} new", range(1, 2))
    for guest, process in zip(guests, (site[1], site[1], site[0]), strict=True):
        again = await guest.back(process, name)
        assert again.recovered
        [[_, rooms, _]] = await again.ask("state")
        assert rooms == ["lobby", f"{name} new", f"{name} too"]
        assert again.heard == news(range(1, 2))
        again.cut()
        await speakers[1].ask("steer", "close", again.sid)
        assert not (await again.back(site[0], name)).recovered


async def test_events_that_redis_lost_under_a_dead_connection_are_not_passed_over(
    site: list[SiteProcess], speakers: list[Guest], redis: LayerServer, name: str
) -> None:
    guest = await Guest.visit(site[0], name)
    await guest.ask("enter", name)
    await say(speakers, name, range(1))
    await hears(guest, news(range(1)))
    await say(speakers, name, range(1, 2))  # which it does not read
    async with asyncio_redis.from_url(addresses(redis)[0]) as client:
        await client.flushall()
    guest.cut()
    await gone(speakers[0], name)
    await say(speakers, name, range(2, 3))
    again = await guest.back(site[1], name)
    assert not again.recovered


async def test_what_a_client_did_while_redis_was_away_is_kept(
    redis: LayerServer,
    site: list[SiteProcess],
    further: Callable[[str], SiteProcess],
    name: str,
    logs: Logs,
) -> None:
    logs.tolerate()
    process = further("uvicorn")
    guest = await Guest.visit(process, name)
    redis.stop()
    try:
        await asyncio.sleep(0.5)
        guest.send(f"2{json.dumps(['keep', 'colour', 'red'])}")
        await logged(process, "recovery sessions are not written for now")
    finally:
        redis.start()
        redis.wait()
    await guest.ask("state")
    await asyncio.sleep(3)  # a write is tried again within a second
    await dead(process)
    again = await guest.back(site[0], name)
    assert again.recovered
    [[_, _, data]] = await again.ask("state")
    assert data == {"colour": "red"}


@pytest.mark.any_layer
async def test_newcomer_who_is_told_history_waits_for_redis_or_comes_again(
    redis: LayerServer, site: list[SiteProcess], speakers: list[Guest], name: str, logs: Logs
) -> None:
    logs.tolerate()
    await say(speakers, name, range(2))
    redis.stop()
    try:
        with pytest.raises(Closed):  # after EMIT_TIMEOUT
            await Guest.visit(site[0], name, told=name)
        waiting = asyncio.create_task(Guest.visit(site[1], name, told=name))
        await asyncio.sleep(1)
    finally:
        redis.start()
        redis.wait()
    await hears(await waiting, news(range(2)))


async def logged(process: SiteProcess, text: str) -> None:
    async with asyncio.timeout(30):
        while text not in process.log.read_text():
            await asyncio.sleep(0.1)


async def dead(process: SiteProcess) -> None:
    process.kill()
    async with asyncio.timeout(30):
        while process.running:
            await asyncio.sleep(0.1)


@pytest.mark.any_layer
async def test_of_two_whose_session_redis_gives_at_once_one_has_it(
    site: list[SiteProcess], speakers: list[Guest], redis: LayerServer, name: str
) -> None:
    guests = [await Guest.visit(site[0], f"{name} {number}") for number in range(5)]
    for number, guest in enumerate(guests):
        await cut(guest, speakers[0], f"{name} {number}")
    redis.pause()
    try:
        coming = [
            asyncio.create_task(guest.back(site[0], f"{name} {number}"))
            for number, guest in enumerate(guests)
            for _ in range(2)
        ]
        await asyncio.sleep(0.5)
    finally:
        redis.resume()
    for task in coming:
        task.add_done_callback(answer_pings)
    again = await asyncio.gather(*coming)
    assert sorted(guest.recovered for guest in again) == [False] * 5 + [True] * 5
    assert len({guest.sid for guest in again}) == 10


#: What reads for clients that have nothing else to do.
readers: set[asyncio.Task[Any]] = set()


def answer_pings(task: asyncio.Task[Guest]) -> None:
    reader = asyncio.create_task(task.result().receive())
    readers.add(reader)


@pytest.mark.any_layer
async def test_presence_is_restored_in_another_process(site: list[SiteProcess], name: str) -> None:
    watcher = await Guest.visit(site[1], f"{name} watches", user=8)
    guest = await Guest.visit(site[0], name, user=7)
    for client in (watcher, guest):
        await client.ask("attend", name)
    while '"id": "7"' not in json.dumps(watcher.heard):  # in the state, or a change later
        await watcher.settled()
    before = list(watcher.heard)
    speaker = await Guest.visit(site[0], "speaker")
    await cut(guest, speaker, name)
    again = await guest.back(site[1], name, user=7)
    assert again.recovered
    async with asyncio.timeout(30):  # its old process tells the new one that it has left there
        while (await again.ask("present", name))[0] != [["8", 1], ["7", 1]]:
            pass
    await watcher.settled()
    assert watcher.heard == before


@pytest.mark.any_layer
async def test_emit_without_redis_is_refused_and_no_client_gets_it(
    site: list[SiteProcess],
    speakers: list[Guest],
    redis: LayerServer,
    name: str,
    logs: Logs,
    outside: None,
) -> None:
    logs.tolerate()
    guest = await Guest.visit(site[0], name)
    await guest.ask("enter", name)
    redis.stop()
    try:
        [answer] = await speakers[0].ask("say", name, "lost")
        assert answer == {"error": {"code": "internal", "message": "Internal error"}}
        with pytest.raises(ChannelLayerError):
            await asyncio.to_thread(emit, "lost", to=name)
        newcomer = await Guest.visit(site[0], name)
        assert newcomer.pid and not newcomer.recovered
    finally:
        redis.start()
        redis.wait()
    async with asyncio.timeout(30):
        while (await speakers[0].ask("say", name, "found"))[0] is not None:
            pass
    async with asyncio.timeout(30):
        while not guest.heard:
            await guest.settled()
    assert {event for event, *_ in guest.heard} == {"found"}


async def test_client_that_a_dead_connection_holds_elsewhere_comes_back(
    site: list[SiteProcess], speakers: list[Guest], name: str
) -> None:
    guest = await Guest.visit(site[0], name)
    await guest.ask("keep", "colour", "red")
    await say(speakers, guest.sid, range(2))
    # It is not read from: pings are not answered.
    again = await guest.back(site[1], name)
    assert again.recovered and again.sid == guest.sid
    assert again.heard == news(range(2))
    assert (await again.ask("state"))[0][2] == {"colour": "red"}
    await gone(speakers[0], name)
    await say(speakers, guest.sid, range(2, 4))
    await hears(again, news(range(4)))


@pytest.mark.any_layer
async def test_client_that_lives_elsewhere_keeps_its_session(
    site: list[SiteProcess], speakers: list[Guest], name: str
) -> None:
    guest = await Guest.visit(site[0], name)
    reading = asyncio.create_task(guest.message())
    thief = await guest.back(site[1], name)
    assert not thief.recovered and thief.sid != guest.sid
    await say(speakers, guest.sid, range(1))
    assert (await reading).startswith('2["news",0,')


@pytest.mark.any_layer
async def test_of_two_that_come_back_at_once_one_does(
    site: list[SiteProcess], speakers: list[Guest], name: str
) -> None:
    guest = await Guest.visit(site[0], name)
    await cut(guest, speakers[0], name)
    two = [asyncio.create_task(guest.back(process, name)) for process in site]
    done, _ = await asyncio.wait(two, return_when=asyncio.FIRST_COMPLETED)
    readers = [asyncio.create_task(task.result().receive()) for task in done]
    both = await asyncio.gather(*two)
    assert sorted(guest.recovered for guest in both) == [False, True]
    for reader in readers:
        reader.cancel()


@pytest.mark.any_layer
async def test_another_user_is_refused_in_another_process(
    site: list[SiteProcess], speakers: list[Guest], name: str
) -> None:
    guest = await Guest.visit(site[0], name, user=7)
    await cut(guest, speakers[0], name)
    thief = await Guest.visit(site[1], "thief", of=guest, user=8)
    assert not thief.recovered
    again = await guest.back(site[1], name, user=7)
    assert again.recovered


async def test_emits_from_a_process_without_a_server_are_logged(
    site: list[SiteProcess], speakers: list[Guest], name: str, outside: None
) -> None:
    guest = await Guest.visit(site[0], name)
    await asyncio.to_thread(emit, "news", 0, to=guest.sid)
    await hears(guest, news(range(1)))
    await cut(guest, speakers[0], name)
    await asyncio.to_thread(emit, "news", 1, to=[guest.sid, "lobby"])
    await asyncio.to_thread(emit, "flash", to=guest.sid, volatile=True)
    again = await guest.back(site[1], name)
    assert again.recovered and again.heard == news(range(1, 2))
    await asyncio.to_thread(emit, "flash", "a text", to=guest.sid, volatile=True)
    await hears(again, [*news(range(1, 2)), ["flash", "a text"]])
    assert again.offset and "-" in again.offset


@pytest.mark.any_layer
@pytest.mark.parametrize("namespace", ["/short", "/narrow"])
async def test_log_that_does_not_reach_back_is_said(
    site: list[SiteProcess], name: str, namespace: str
) -> None:
    speaker = await Guest.visit(site[0], "speaker", namespace)
    guest = await Guest.visit(site[0], name, namespace)
    await cut(guest, speaker, name)
    for number in range(4):
        await speaker.ask("say", guest.sid, "news", "x" * 3_000, number)
    again = await guest.back(site[1], name)
    assert not again.recovered and again.sid != guest.sid
    await hears(again, [["resync"]])


@pytest.mark.any_layer
async def test_data_that_cannot_be_kept_is_said(
    site: list[SiteProcess], speakers: list[Guest], name: str, logs: Logs
) -> None:
    guest = await Guest.visit(site[0], name)
    await guest.ask("keep", "colour", "red")
    await guest.ask("keep nonsense", "task")
    await guest.ask("keep numbered", "numbers")
    guest.cut()
    await gone(speakers[0], name)
    again = await guest.back(site[1], name)
    assert again.recovered
    assert (await again.ask("state"))[0][2] == {"colour": "red"}
    eventually(
        lambda: any("self.data['task'] is a object" in text for text in logs.read().values()),
        lambda: "nothing was logged",
    )


# The doctor


def test_doctor_finds_nothing_wrong(site: list[SiteProcess], outside: None, settings: Any) -> None:
    """Ids of sockets that move between processes do not say where they are."""
    settings.SECRET_KEY = "conformance"
    printed = io.StringIO()
    with contextlib.suppress(CommandError):
        call_command("realtime", "doctor", "--json", "--url", site[0].url, stdout=printed)
    found = json.loads(printed.getvalue())["findings"]
    assert {one["topic"] for one in found if one["level"] == "error"} == set()
