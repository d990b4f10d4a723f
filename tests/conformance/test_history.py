"""What a room said before a client joined it: logs, and the newest values of keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conformance.guest import Guest, cut
from tests.conformance.raw import Polling, fetch
from tests.conformance.servers import Server, run
from tests.conformance.talker import POLLING

KINDS = ["daphne", "uvicorn"]
NAMESPACE = "/told"


@pytest.fixture(scope="module", params=KINDS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    options = {
        "PING_INTERVAL": 25.0,
        "PING_TIMEOUT": 60.0,
        "RECOVERY": {"WINDOW": 60.0},
        "OUTBOX_MESSAGES": 1000,
    }
    environment = {"RECOVERING_REALTIME": json.dumps(options)}
    application = "tests.conformance.telling:application"
    with run(request.param, tmp_path_factory.mktemp("telling"), application, environment) as server:
        yield server


@pytest.fixture
async def speaker(site: Server) -> Guest:
    return await Guest.visit(site, "speaker", NAMESPACE)


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


async def visit(site: Server, room: str, **rooms: Any) -> Guest:
    """A client that joins rooms as it connects."""
    return await Guest.visit(site, room, NAMESPACE, rooms=rooms)


async def say(speaker: Guest, room: str, *numbers: int) -> None:
    for number in numbers:
        await speaker.ask("say", room, "news", number)


def news(*numbers: int) -> list[list[Any]]:
    return [["news", number] for number in numbers]


# The log


async def test_newcomer_gets_the_last_events_of_a_room_and_then_the_new_ones(
    site: Server, speaker: Guest, room: str
) -> None:
    await say(speaker, room, *range(5))
    guest = await visit(site, room, **{room: 3})
    await say(speaker, room, 5)
    assert await guest.settled() == news(2, 3, 4, 5)


async def test_history_of_several_rooms_comes_in_one_order_before_what_connect_emits(
    site: Server, speaker: Guest, room: str
) -> None:
    await say(speaker, room, 1)
    await speaker.ask("say", [room, f"{room} 2"], "news", 2)
    await say(speaker, f"{room} 2", 3)
    await say(speaker, room, 4)
    rooms = {room: 10, f"{room} 2": 10}
    guest = await Guest.visit(site, room, NAMESPACE, rooms=rooms, hello=True)
    assert await guest.settled() == [*news(1, 2, 3, 4), ["hello"]]


async def test_history_begins_behind_the_answer_to_the_connect(
    site: Server, speaker: Guest, room: str
) -> None:
    await say(speaker, room, 1)
    guest = await visit(site, room, **{room: 1})
    assert guest.pid and guest.heard == []  # `visit` hears what comes before the answer
    assert await guest.settled() == news(1)


@pytest.mark.parametrize("verb", ["enter told", "enter plainly"])
async def test_handler_joins_with_history_and_its_ack_follows(
    site: Server, speaker: Guest, room: str, verb: str
) -> None:
    await say(speaker, room, 1, 2)
    guest = await visit(site, room)
    await guest.ask(verb, room, 10)
    assert guest.heard == news(1, 2)
    await say(speaker, room, 3)
    assert await guest.settled() == news(1, 2, 3)


async def test_history_since_a_time_and_since_an_offset(
    site: Server, speaker: Guest, room: str
) -> None:
    await speaker.ask("enter", room)
    await say(speaker, room, 1, 2)
    offset = speaker.offset
    await asyncio.sleep(0.01)
    moment = datetime.now(UTC).isoformat()
    await say(speaker, room, 3, 4)
    for said, expected in [
        ({"seconds": 60}, news(1, 2, 3, 4)),
        ({"seconds": 0}, []),
        ({"since": moment}, news(3, 4)),
        (offset, news(3, 4)),
        ("0-0", news(1, 2, 3, 4)),
        (0, []),
    ]:
        guest = await visit(site, room, **{room: said})
        assert await guest.settled() == expected, said


async def test_each_event_comes_once_while_the_room_goes_on_talking(
    site: Server, speaker: Guest, room: str
) -> None:
    guests = [await visit(site, room) for _ in range(5)]
    talk = asyncio.create_task(speaker.ask("count", room, 400))
    late = [asyncio.create_task(visit(site, room, **{room: 500})) for _ in range(5)]
    for guest in guests:
        await guest.ask("enter told", room, 500)
    guests += await asyncio.gather(*late)
    await talk
    for guest in guests:
        assert await guest.settled() == news(*range(400))


async def test_join_of_a_room_that_the_socket_is_in_repeats_nothing(
    site: Server, speaker: Guest, room: str
) -> None:
    await say(speaker, room, 1)
    guest = await visit(site, room, **{room: 5})
    await guest.ask("enter told", room, 5)
    assert await guest.settled() == news(1)
    await guest.ask("exit", room)
    await say(speaker, room, 2)
    await guest.ask("enter told", room, 1)
    assert await guest.settled() == news(1, 2)


async def test_event_to_two_rooms_comes_once(site: Server, speaker: Guest, room: str) -> None:
    guest = await visit(site, room, **{room: 5})
    await speaker.ask("say", [room, f"{room} 2"], "news", 1)
    await say(speaker, f"{room} 2", 2)
    await guest.ask("enter told", f"{room} 2", 5)
    assert await guest.settled() == news(1, 2)


async def test_event_to_two_rooms_from_before_both_joins_comes_with_the_history_of_one(
    site: Server, speaker: Guest, room: str
) -> None:
    await speaker.ask("say", [room, f"{room} 2"], "news", 1)
    guest = await visit(site, room)
    await guest.ask("enter", room)
    await guest.ask("enter told", f"{room} 2", 5)
    assert guest.heard == news(1)
    await guest.ask("exit", room)
    await guest.ask("enter told", room, 5)
    assert guest.heard == news(1)


async def test_own_events_of_before_are_history_but_for_those_that_skip_one(
    site: Server, room: str
) -> None:
    guest = await visit(site, room)
    await say(guest, room, 1)
    await guest.ask("others", room, "news", 2)
    await guest.ask("enter told", room, 5)
    assert guest.heard == news(1)


async def test_room_of_an_instance_has_history(site: Server, speaker: Guest, room: str) -> None:
    await speaker.ask("say user", 7, "news", 1)
    guest = await visit(site, room)
    await guest.ask("enter user", 7, 5)
    assert guest.heard == news(1)


async def test_history_of_the_namespace_is_told_in_connect_only(
    site: Server, speaker: Guest, room: str
) -> None:
    await speaker.ask("shout", room, 1)
    await speaker.ask("say volatile", room, "news", 1)
    guest = await visit(site, room, **{"": 1})
    assert await guest.settled() == [[room, 1]]
    [answer] = await guest.ask("enter told", None, 5)
    assert answer["error"]["code"] == "bad_room"
    other = await visit(site, room)
    assert await other.settled() == []


# Coming back


async def test_client_that_comes_back_gets_history_no_second_time(
    site: Server, speaker: Guest, room: str
) -> None:
    await say(speaker, room, 1, 2)
    guest = await visit(site, room, **{room: 5})
    await cut(guest, speaker, room)
    assert guest.heard == news(1, 2)
    await say(speaker, room, 3)
    again = await guest.back(site, room, rooms={room: 5})
    assert again.recovered
    assert await again.settled() == news(3)


async def test_client_that_was_cut_amid_history_gets_the_rest(
    site: Server, speaker: Guest, room: str
) -> None:
    await say(speaker, room, *range(6))
    guest = await visit(site, room, **{room: 5})
    while len(guest.heard) < 2:
        guest.take(await guest.message())
    guest.cut()
    while (await speaker.ask("past", room))[0][-1][0] != "disconnect":
        await asyncio.sleep(0.02)
    again = await guest.back(site, room, rooms={room: 5})
    assert again.recovered
    assert guest.heard + await again.settled() == news(1, 2, 3, 4, 5)


async def test_history_of_a_later_join_sets_no_offset_back(
    site: Server, speaker: Guest, room: str
) -> None:
    await say(speaker, room, 1, 2)
    guest = await visit(site, room)
    await say(speaker, guest.sid, 3)
    await guest.ask("enter told", room, 5)
    assert guest.heard == news(3, 1, 2)
    await cut(guest, speaker, room)
    await say(speaker, guest.sid, 4)
    again = await guest.back(site, room)
    assert again.recovered
    assert await again.settled() == news(4)


async def test_client_that_comes_back_and_joins_another_room_gets_both(
    site: Server, speaker: Guest, room: str
) -> None:
    other = f"{room} 2"
    await say(speaker, other, 1)
    guest = await visit(site, room, **{room: 5})
    await say(speaker, room, 2)
    await cut(guest, speaker, room)
    await say(speaker, room, 3)
    await say(speaker, other, 4)
    again = await guest.back(site, room, rooms={other: 5})
    assert again.recovered
    assert await again.settled() == [*news(3), *news(1, 4)]
    await cut(again, speaker, room)
    await say(speaker, other, 5)
    third = await again.back(site, room)
    assert third.recovered and await third.settled() == news(5)


# Values of keys


async def test_newcomer_has_the_newest_value_of_each_key_at_once(
    site: Server, speaker: Guest, room: str
) -> None:
    for key, price in [("A", 1), ("B", 2), ("A", 3)]:
        await speaker.ask("set", room, key, "price", key, price, 0)
    await speaker.ask("set", room, "A", "volume", 9)
    await say(speaker, room, 1)
    expected = [["price", "B", 2, 0], ["price", "A", 3, 0], ["volume", 9]]
    guest = await visit(site, room, **{room: 0})
    assert await guest.settled() == expected
    guest = await visit(site, room)
    await guest.ask("enter", room)
    assert guest.heard == expected
    guest = await visit(site, room, **{room: 1})
    assert await guest.settled() == [*expected, *news(1)]
    await speaker.ask("set", room, "A", "price", "A", 4, 0)
    assert await guest.settled() == [*expected, *news(1), ["price", "A", 4, 0]]


async def test_value_of_the_namespace_reaches_who_connects(site: Server, room: str) -> None:
    speaker = await Guest.visit(site, "speaker", "/valued")
    await speaker.ask("set all", "A", "price", 1, 0)
    await speaker.ask("set all", "A", "price", 2, 0)
    guest = await Guest.visit(site, room, "/valued")
    assert await guest.settled() == [["price", 2, 0]]


async def test_client_that_was_away_gets_the_newest_value_alone(
    site: Server, speaker: Guest, room: str
) -> None:
    guest = await visit(site, room, **{room: 0})
    await speaker.ask("set", room, "A", "price", 0, 0)
    await cut(guest, speaker, room)
    assert guest.heard == [["price", 0, 0]]
    await speaker.ask("set often", room, 1000, 1)  # more than the log holds
    again = await guest.back(site, room)
    assert again.recovered
    heard = await again.settled()
    assert [said[1] for said in heard if said[0] == "price"] == [999]
    assert [said for said in heard if said[0] == "news"] == news(*range(0, 1000, 100))


async def test_keys_of_a_room_are_bounded(site: Server, speaker: Guest, room: str) -> None:
    guest = await visit(site, room, **{room: 0})
    await cut(guest, speaker, room)
    for key in "ABCDEF":
        await speaker.ask("set", room, key, "price", key, 0)
    newcomer = await visit(site, room, **{room: 0})
    assert [said[1] for said in await newcomer.settled()] == list("BCDEF")
    again = await guest.back(site, room)
    assert not again.recovered  # it would have missed one


async def test_client_that_polls_slowly_gets_the_newest_value_behind_all_else(
    site: Server, speaker: Guest, room: str
) -> None:
    opening = await fetch(site.port, "GET", POLLING)
    client = Polling(site.port, json.loads(opening.text[1:])["sid"])
    client.path = f"{POLLING}&sid={client.sid}"
    await client.post(f"40{NAMESPACE},{json.dumps({'name': room, 'rooms': {room: 0}})}")
    assert (await client.get()).text.startswith(f"40{NAMESPACE}")
    await speaker.ask("set often", room, 1500, 1)  # more than an outbox may hold
    packets = (await client.get()).text.split("\x1e")
    events = [json.loads(packet.removeprefix(f"42{NAMESPACE},")) for packet in packets]
    assert [said[1] for said in events if said[0] == "news"] == list(range(0, 1500, 100))
    assert [said[1] for said in events if said[0] == "price"] == [1499]
    offsets = [tuple(map(int, said[-1].split("-"))) for said in events]
    assert offsets == sorted(offsets)


async def test_long_past_of_rooms_is_no_reason_to_close_a_slow_client(
    site: Server, speaker: Guest, room: str
) -> None:
    rooms = [f"{room} {number}" for number in range(2)]
    for one in rooms:
        await speaker.ask("count", one, 500)
    opening = await fetch(site.port, "GET", POLLING)
    client = Polling(site.port, json.loads(opening.text[1:])["sid"])
    client.path = f"{POLLING}&sid={client.sid}"
    await client.post(f"40{NAMESPACE},{json.dumps({'name': room})}")
    assert (await client.get()).text.startswith(f"40{NAMESPACE}")
    entering = [f"42{NAMESPACE},{json.dumps(['enter told', one, 500])}" for one in rooms]
    await client.post("\x1e".join(entering))
    await speaker.ask("state")
    await say(speaker, rooms[1], *range(500, 505))  # while most of what came before still waits
    heard: list[int] = []
    while len(heard) < 1005:
        answer = await client.get()
        assert answer.status == 200
        packets = [packet for packet in answer.text.split("\x1e") if packet.startswith("42")]
        heard += [json.loads(packet.removeprefix(f"42{NAMESPACE},"))[1] for packet in packets]
    assert heard == [*range(500), *range(505)]


async def test_client_that_reads_slowly_gets_the_newest_value_behind_all_else(
    site: Server, speaker: Guest, room: str
) -> None:
    guest = await visit(site, room, **{room: 0})
    await speaker.ask("set often", room, 2000, 20_000)
    heard = await guest.settled()
    prices = [said[1] for said in heard if said[0] == "price"]
    assert len(prices) < 2000 and prices[-1] == 1999 and prices == sorted(prices)
    assert [said for said in heard if said[0] == "news"] == news(*range(0, 2000, 100))


# What can't be


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (True, "TypeError: history= must be a number of events"),
        (-1, "ValueError: history= can't be a negative number"),
        (1.5, "TypeError: history= must be a number of events"),
        ("yesterday", "ValueError: history='yesterday' is not an offset"),
        ("1-99999999", "ValueError: history='1-99999999' is not an offset"),
    ],
)
async def test_history_that_is_none_is_refused(
    site: Server, speaker: Guest, said: Any, answer: str
) -> None:
    assert (await speaker.ask("fault", said))[0].startswith(answer)


@pytest.mark.parametrize(
    ("key", "volatile", "answer"),
    [
        (7, False, "TypeError: retain= must be a string, not int: 7"),
        ("", False, "ValueError: retain= must have 1 to 200 characters, not 0"),
        ("A", True, "ValueError: an event can't be both volatile"),
    ],
)
async def test_key_that_is_none_is_refused(
    site: Server, speaker: Guest, key: Any, volatile: bool, answer: str
) -> None:
    assert (await speaker.ask("retain", key, volatile))[0].startswith(answer)


async def test_namespace_without_recovery_says_what_to_set(site: Server, room: str) -> None:
    guest = await Guest.visit(site, room, "/untold")
    for asked in (guest.ask("fault", 5), guest.ask("retain", "A", False)):
        [answer] = await asked
        assert answer.startswith("RecoveryError: ")
        assert 'REALTIME = {"RECOVERY": {}}' in answer and "recovery = True" in answer
