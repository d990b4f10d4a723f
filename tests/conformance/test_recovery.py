"""Connection state recovery: clients that come back to a node's memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.guest import Guest, cut, gone
from tests.conformance.raw import Closed
from tests.conformance.servers import Server, run
from tests.conformance.talker import TICK, Log, Talker

KINDS = ["daphne", "uvicorn"]


@pytest.fixture(scope="module", params=KINDS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    options = {"PING_INTERVAL": 25.0, "PING_TIMEOUT": 60.0, "RECOVERY": {"WINDOW": 60.0}}
    application = "tests.conformance.recovering:application"
    environment = {"RECOVERING_REALTIME": json.dumps(options)}
    folder = tmp_path_factory.mktemp("recovering")
    with run(request.param, folder, application, environment) as server:
        yield server


@pytest.fixture
async def speaker(site: Server) -> Guest:
    return await Guest.visit(site, "speaker")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


async def test_client_comes_back_to_its_id_rooms_data_and_missed_events(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name)
    await guest.ask("enter", name)
    await guest.ask("keep", "colour", "red")
    await speaker.ask("say", name, "news", 1)
    await cut(guest, speaker, name)
    await speaker.ask("say", name, "news", 2)
    await speaker.ask("say", guest.sid, "news", 3)
    await speaker.ask("say", [name, "lobby"], "news", 4)
    await speaker.ask("say", "elsewhere", "news", 5)
    again = await guest.back(site, name)
    assert again.recovered
    assert again.sid == guest.sid
    assert guest.heard == [["news", 1]]
    assert again.heard == [["news", 2], ["news", 3], ["news", 4]]
    await speaker.ask("say", name, "news", 6)
    [[sid, rooms, data]] = await again.ask("state")
    assert (sid, rooms, data) == (guest.sid, ["lobby", name], {"colour": "red"})
    assert again.heard[3:] == [["news", 6]]
    past = (await speaker.ask("past", name))[0]
    assert past[-1] == ["connect", {"name": name}, True, ["lobby", name], {"colour": "red"}]


async def test_client_comes_back_again_and_again(site: Server, speaker: Guest, name: str) -> None:
    guest = await Guest.visit(site, name)
    for number in range(4):
        await cut(guest, speaker, name)
        await speaker.ask("say", guest.sid, "news", number)
        again = await guest.back(site, name)
        assert again.recovered and again.sid == guest.sid
        assert again.heard == [["news", number]]
        guest = again


async def test_client_comes_back_before_its_first_event(
    site: Server, speaker: Guest, name: str
) -> None:
    await speaker.ask("say", "lobby", "before", 0)
    guest = await Guest.visit(site, name)
    await cut(guest, speaker, name)
    assert guest.offset is None
    await speaker.ask("say", "lobby", "news", 1)
    again = await guest.back(site, name)
    assert again.recovered
    assert again.heard == [["news", 1]]


async def test_events_of_a_room_from_before_the_client_joined_it_stay_away(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name)
    await speaker.ask("say", guest.sid, "news", 1)
    await guest.settled()
    await speaker.ask("say", name, "too early")
    await guest.ask("enter", name)
    await speaker.ask("say", name, "news", 2)
    guest.cut()
    await gone(speaker, name)
    again = await guest.back(site, name)
    assert again.recovered
    assert again.heard == [["news", 2]]


async def test_events_of_a_room_that_the_client_left_stay_away(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name)
    await guest.ask("enter", name)
    await guest.ask("exit", name)
    await cut(guest, speaker, name)
    await speaker.ask("say", name, "news", 1)
    again = await guest.back(site, name)
    assert again.recovered and again.heard == []


async def test_events_that_skip_the_client_stay_away(site: Server, name: str) -> None:
    guest = await Guest.visit(site, name)
    other = await Guest.visit(site, "other")
    await guest.ask("enter", name)
    guest.send(f"2{json.dumps(['others', name, 'own'])}")
    await cut(guest, other, name)
    again = await guest.back(site, name)
    assert again.recovered and again.heard == []


@pytest.mark.parametrize("args", [[], ["a text"], [1, "a text"], [["x"]], [{"a": "b"}], [5]])
async def test_volatile_event_does_not_spoil_the_offset_and_is_not_kept(
    site: Server, speaker: Guest, name: str, args: list[Any]
) -> None:
    guest = await Guest.visit(site, name)
    await speaker.ask("say", guest.sid, "news", 1)
    await speaker.ask("say volatile", guest.sid, "flash", *args)
    await cut(guest, speaker, name)
    assert guest.heard == [["news", 1], ["flash", *args]]
    await speaker.ask("say volatile", guest.sid, "flash", 2)
    await speaker.ask("say", guest.sid, "news", 2)
    again = await guest.back(site, name)
    assert again.recovered
    assert again.heard == [["news", 2]]


async def test_event_with_an_ack_is_not_kept(site: Server, speaker: Guest, name: str) -> None:
    guest = await Guest.visit(site, name)
    guest.send(f"2{json.dumps(['ask'])}")
    assert (await guest.message()).endswith('["question"]')
    guest.cut()
    await gone(speaker, name)
    again = await guest.back(site, name)
    assert again.recovered and again.heard == []


@pytest.mark.parametrize("way", ["leave", "nonsense"])
async def test_client_that_left_for_good_does_not_come_back(
    site: Server, speaker: Guest, name: str, way: str
) -> None:
    guest = await Guest.visit(site, name)
    guest.send("1" if way == "leave" else "9")
    await gone(speaker, name)
    again = await guest.back(site, name)
    assert not again.recovered
    assert again.sid != guest.sid and again.pid != guest.pid


async def test_invented_id_is_a_fresh_session(site: Server, name: str) -> None:
    log = Log(site)
    guest = await Guest.visit(site, name, pid="invented", offset="1-0")
    assert guest.pid not in (None, "invented")
    assert "was not recovered: its session is unknown here, or has expired" in await log.line()


@pytest.mark.parametrize(
    "offset",
    ["", "x", "1-", "-1", "1-2-3", 5, ["1-0"], {}, "9" * 40, "1-9999999"],
)
async def test_offset_that_is_none_is_a_fresh_session(
    site: Server, speaker: Guest, name: str, offset: Any
) -> None:
    guest = await Guest.visit(site, name)
    await cut(guest, speaker, name)
    again = await guest.back(site, name, offset=offset)
    assert not again.recovered and again.sid != guest.sid


async def test_offset_of_the_future_is_a_fresh_session(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name)
    await cut(guest, speaker, name)
    again = await guest.back(site, name, offset="99999999999999-0")
    assert not again.recovered


@pytest.mark.parametrize("pid", [5, None, "", [], {}, "x" * 10_000, "\ud800", "a b"])
async def test_id_that_is_none_is_a_fresh_session(site: Server, name: str, pid: Any) -> None:
    guest = await Guest.visit(site, name, pid=pid)
    assert guest.pid and guest.pid != pid
    assert "its id or its offset is none" in site.log


async def test_operations_reach_clients_that_are_away(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name)
    await guest.ask("enter", name)
    await guest.ask("enter", f"{name} too")
    await cut(guest, speaker, name)
    await speaker.ask("say", name, "news", 1)
    await speaker.ask("say", f"{name} new", "news", 2)
    await speaker.ask("steer", "join", f"{name} new", guest.sid)
    await speaker.ask("steer", "leave", name, f"{name} too")
    for room in (name, f"{name} new"):
        await speaker.ask("say", room, "news", 3)
    again = await guest.back(site, name)
    assert again.recovered
    assert again.heard == [["news", 3]]
    [[_, rooms, _]] = await again.ask("state")
    assert rooms == ["lobby", f"{name} new", f"{name} too"]


async def test_client_that_an_operation_disconnected_while_it_was_away_begins_anew(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name)
    await guest.ask("enter", name)
    await cut(guest, speaker, name)
    await speaker.ask("steer", "close", name)
    again = await guest.back(site, name)
    assert not again.recovered
    [[_, rooms, _]] = await again.ask("state")
    assert rooms == ["lobby"]


async def test_session_is_of_its_namespace(site: Server, speaker: Guest, name: str) -> None:
    guest = await Guest.visit(site, name)
    await cut(guest, speaker, name)
    other = await Guest.visit(site, name, "/other", of=guest)
    assert not other.recovered and other.sid != guest.sid
    again = await guest.back(site, name)
    assert again.recovered


async def test_client_is_back_while_its_dead_connection_still_seems_alive(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name)  # answers no ping unless it is read from
    await speaker.ask("say", guest.sid, "news", 1)
    again = await guest.back(site, name)
    assert again.recovered and again.sid == guest.sid
    assert again.heard == [["news", 1]]
    past = [entry[0] for entry in (await speaker.ask("past", name))[0]]
    assert past.count("disconnect") == 1
    assert [p for p in await guest.closed() if isinstance(p, str)][-1] in ("41", "1")


async def test_live_client_keeps_its_session(site: Server, speaker: Guest, name: str) -> None:
    guest = await Guest.visit(site, name)
    reading = asyncio.create_task(guest.message())
    thief = await guest.back(site, name)
    assert not thief.recovered and thief.sid != guest.sid
    await speaker.ask("say", guest.sid, "news", 1)
    assert (await reading).startswith('2["news",1,')


async def test_of_two_that_come_back_at_once_one_does(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name)
    await cut(guest, speaker, name)
    await speaker.ask("say", guest.sid, "news", 1)
    two = [asyncio.create_task(guest.back(site, name)) for _ in range(2)]
    done, _ = await asyncio.wait(two, return_when=asyncio.FIRST_COMPLETED)
    readers = [asyncio.create_task(task.result().receive()) for task in done]
    both = await asyncio.gather(*two)
    assert sorted(guest.recovered for guest in both) == [False, True]
    assert len({guest.sid for guest in both}) == 2
    for reader in readers:
        reader.cancel()


async def test_refused_client_may_come_back_later(site: Server, speaker: Guest, name: str) -> None:
    guest = await Guest.visit(site, name)
    await cut(guest, speaker, name)
    await speaker.ask("say", guest.sid, "news", 1)
    talker = await Talker.open(site.port)
    auth = {"name": name, "pid": guest.pid, "refuse": True}
    talker.send(f"0{json.dumps(auth)}")
    assert await talker.receive() == '4{"message":"not today"}'
    again = await guest.back(site, name)
    assert again.recovered and again.heard == [["news", 1]]


@pytest.mark.parametrize("namespace", ["/short", "/narrow"])
async def test_log_that_does_not_reach_back_is_said(
    site: Server, name: str, namespace: str
) -> None:
    speaker = await Guest.visit(site, "speaker", namespace)
    guest = await Guest.visit(site, name, namespace)
    await cut(guest, speaker, name)
    for number in range(4):
        await speaker.ask("say", guest.sid, "news", "x" * 3_000, number)
    again = await guest.back(site, name)
    assert not again.recovered and again.sid != guest.sid
    await again.settled()
    assert again.heard == [["resync"]]


async def test_namespace_without_recovery_has_no_offsets(site: Server, name: str) -> None:
    guest = await Guest.visit(site, name, "/fleeting", offset="mine")
    assert guest.pid is None
    await guest.ask("mirror", "news", 1)
    assert guest.heard == [["news", 1]]
    past = (await guest.ask("past", name))[0]
    assert past[0][1] == {"name": name, "offset": "mine"}


async def test_session_of_another_user_is_refused_and_stays_theirs(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name, user=7)
    await guest.ask("keep", "secret", "of 7")
    await cut(guest, speaker, name)
    await speaker.ask("say", "~auth.user:7", "news", 1)
    log = Log(site)
    for thief in (8, None):
        other = await Guest.visit(site, "thief", of=guest, user=thief)
        assert not other.recovered and other.sid != guest.sid
        [[_, rooms, data]] = await other.ask("state")
        assert "~auth.user:7" not in rooms and data == {} and other.heard == []
    assert "its session is another user's" in log.lines[0]
    assert guest.pid and guest.pid not in site.log
    again = await guest.back(site, name, user=7)
    assert again.recovered and again.heard == [["news", 1]]


async def test_client_whose_connect_says_who_it_is_is_recovered(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name, **{"log in": 3})
    await cut(guest, speaker, name)
    await speaker.ask("say", guest.sid, "news", 1)
    again = await guest.back(site, name, **{"log in": 3})
    assert again.recovered and again.heard == [["news", 1]]
    await cut(again, speaker, name)
    await speaker.ask("say", guest.sid, "news", 2)
    talker = await Talker.open(site.port)
    auth = {"name": name, "pid": again.pid, "offset": again.offset, "log in": 4}
    talker.send(f"0{json.dumps(auth)}")
    with pytest.raises(Closed):  # it is told nothing
        await talker.receive()


async def test_rooms_of_rules_are_asked_again(site: Server, speaker: Guest, name: str) -> None:
    kept, lost = f"kept-{site.kind}", f"lost-{site.kind}"
    guest = await Guest.visit(site, name)
    for room in (kept, lost):
        assert await guest.ask("room:join", f"ruled.{room}") == [{"room": f"ruled.{room}"}]
    await cut(guest, speaker, name)
    await speaker.ask("close room", lost)
    await speaker.ask("say", f"ruled.{kept}", "news", 1)
    await speaker.ask("say", f"ruled.{lost}", "news", 2)
    again = await guest.back(site, name)
    assert again.recovered
    [[_, rooms, _]] = await again.ask("state")
    assert rooms == ["lobby", f"ruled.{kept}"]
    [first, *rest] = again.heard
    assert first == ["news", 1]
    assert [event[:2] for event in rest] == [["room:left", f"ruled.{lost}"]]
    # By the rule again, and not by what was kept: who may no longer be there leaves.
    again.cut()
    await gone(speaker, name)
    twice = await again.back(site, name)
    assert twice.recovered
    assert (await twice.ask("state"))[0][1] == ["lobby", f"ruled.{kept}"]


async def test_handlers_of_python_socketio_are_recovered(
    site: Server, speaker: Guest, name: str
) -> None:
    guest = await Guest.visit(site, name, "/functions")
    await speaker.ask("say functions", "before")
    assert await guest.ask("echo", 1) == [1]
    assert guest.heard == [["before"]]
    guest.cut()
    while await speaker.ask("functions") != [0]:
        await asyncio.sleep(TICK)
    await speaker.ask("say functions", "news")
    again = await guest.back(site, name)
    assert again.recovered and again.sid == guest.sid
    assert again.heard == [["news"]]


async def test_presence_is_restored_and_nobody_sees_it_flicker(site: Server, name: str) -> None:
    watcher = await Guest.visit(site, f"{name} watches", user=8)
    guest = await Guest.visit(site, name, user=7)
    for client in (watcher, guest):
        await client.ask("attend", name)
    while '"id": "7"' not in json.dumps(watcher.heard):  # in the state, or a change later
        await watcher.settled()
    before = list(watcher.heard)
    await cut(guest, watcher, name)
    again = await guest.back(site, name, user=7)
    assert again.recovered
    # The consumer joins "lobby" only; of a user in grace there is no socket.
    assert (await again.ask("present", name))[0] == [["8", 1], ["7", 1]]
    await again.ask("exit", name)
    while len(watcher.heard) == len(before):
        await watcher.settled()
    [[event, room, diff]] = watcher.heard[len(before) :]
    assert (event, room) == ("presence:diff", name)
    assert ([one["id"] for one in diff["left"]], diff["joined"]) == (["7"], [])


@pytest.fixture(params=KINDS)
def small(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Server]:
    """A process that holds two sessions, and 20 kB of events, at most."""
    options = {"RECOVERY": {"MAX_SESSIONS": 2, "MAX_MEMORY": 20_000}}
    environment = {"RECOVERING_REALTIME": json.dumps(options)}
    application = "tests.conformance.recovering:application"
    with run(request.param, tmp_path, application, environment) as server:
        yield server


async def test_what_a_process_holds_is_bounded(small: Server, name: str) -> None:
    speaker = await Guest.visit(small, "speaker")
    guests = [await Guest.visit(small, f"{name} {number}") for number in range(3)]
    for number, guest in enumerate(guests):
        await cut(guest, speaker, f"{name} {number}")
    readings = (await speaker.ask("readings"))[0]
    assert readings["recovery_sessions"] == 2
    again = [await guest.back(small, f"{name} {number}") for number, guest in enumerate(guests)]
    assert [guest.recovered for guest in again] == [False, True, True]
    # One who is away while more is said than may be held, and one who is away for less of it
    late, early = again[1:]
    await cut(late, speaker, f"{name} 1")
    for number in range(40):
        await speaker.ask("say", "lobby", "news", number, "x" * 1_000)
        readings = (await speaker.ask("readings"))[0]
        assert readings["recovery_bytes"] <= 20_000
    await cut(early, speaker, f"{name} 2")
    await speaker.ask("say", "lobby", "news", 40)
    assert not (await late.back(small, f"{name} 1")).recovered
    back = await early.back(small, f"{name} 2")
    assert back.recovered and back.heard == [["news", 40]]
