"""Engine.IO 4: from long polling to a websocket, with nothing lost, repeated or reordered."""

import asyncio

import pytest

from tests.conformance.raw import WEBSOCKET, Closed, Polling, WebSocket, start
from tests.conformance.servers import Server


async def probe(session: Polling) -> WebSocket:
    websocket = await session.upgrade()
    websocket.send("2probe")
    await websocket.expect("3probe")
    return websocket


async def upgraded(session: Polling) -> WebSocket:
    websocket = await probe(session)
    websocket.send("5")
    websocket.send("4ready")
    await websocket.expect("4ready")
    return websocket


async def test_an_upgrade_moves_the_session_to_the_websocket(calm: Server) -> None:
    session = await Polling.open(calm.port)
    websocket = await probe(session)
    assert (await session.get()).text == "6"
    websocket.send("5")
    websocket.send("4hello")
    await websocket.expect("4hello")


async def test_a_waiting_poll_is_answered_with_what_is_queued(calm: Server) -> None:
    session = await Polling.open(calm.port)
    poll = await session.start_get()
    websocket = await probe(session)
    await session.post("4during")
    assert (await poll.response()).text == "4during"
    websocket.send("5")
    websocket.send("4after")
    await websocket.expect("4after")


async def test_a_waiting_poll_is_answered_with_a_noop_where_nothing_is_queued(
    calm: Server,
) -> None:
    session = await Polling.open(calm.port)
    poll = await session.start_get()
    websocket = await probe(session)
    assert (await poll.response()).text == "6"
    await session.post("4during")
    websocket.send("5")
    await websocket.expect("4during")


async def test_a_poll_of_a_probing_client_fetches_what_waited(calm: Server) -> None:
    session = await Polling.open(calm.port)
    await session.post("4before")
    websocket = await probe(session)
    await session.post("4during")
    assert (await session.get()).text == "4before\x1e4during"
    assert (await session.get()).text == "6"
    websocket.send("5")
    websocket.send("4after")
    await websocket.expect("4after")


async def test_what_no_poll_fetched_goes_over_the_websocket(calm: Server) -> None:
    session = await Polling.open(calm.port)
    await session.post("4before")
    websocket = await probe(session)
    await session.post("4during")
    websocket.send("5")
    websocket.send("4after")
    await websocket.expect("4before", "4during", "4after")


@pytest.mark.parametrize("packet", ["52", "5probe", "5{}"])
async def test_an_upgrade_packet_may_carry_data(calm: Server, packet: str) -> None:
    session = await Polling.open(calm.port)
    websocket = await probe(session)
    websocket.send(packet)
    websocket.send("4hello")
    await websocket.expect("4hello")
    assert (await session.get()).code == 3


async def test_a_client_that_asks_for_base64_gets_it_after_the_upgrade(calm: Server) -> None:
    session = await Polling.open(calm.port)
    await session.post("4!binary before")
    websocket = await WebSocket.open(calm.port, f"{WEBSOCKET}&sid={session.sid}&b64=1")
    websocket.send("2probe")
    await websocket.expect("3probe")
    websocket.send("5")
    websocket.send("4!binary after")
    await websocket.expect("4before", "bAQI=", "b", "4after", "bAQI=", "b")


async def test_traffic_both_ways_survives_the_upgrade_whole_and_in_order(calm: Server) -> None:
    session = await Polling.open(calm.port)
    received: list[str | bytes] = []

    async def poll_until_noop() -> None:
        while (text := (await session.get()).text) != "6":
            received.extend(text.split("\x1e"))

    polls = asyncio.ensure_future(poll_until_noop())
    sent = 0
    for _ in range(20):
        await session.post("\x1e".join(f"4{number}" for number in range(sent, sent + 5)))
        sent += 5
    websocket = await session.upgrade()
    websocket.send("2probe")
    for _ in range(5):
        await session.post("\x1e".join(f"4{number}" for number in range(sent, sent + 5)))
        sent += 5
    await websocket.expect("3probe")
    await polls
    websocket.send("5")
    for number in range(sent, sent + 100):
        websocket.send(f"4{number}")
    while len(received) < sent + 100:
        received.append(await websocket.receive())
    assert received == [f"4{number}" for number in range(sent + 100)]


async def test_requests_after_the_upgrade_are_refused(calm: Server) -> None:
    session = await Polling.open(calm.port)
    websocket = await upgraded(session)
    assert (await session.get()).code == 3
    assert (await session.post("4hello")).code == 3
    websocket.send("4hello")
    await websocket.expect("4hello")


async def test_a_poll_that_crosses_the_end_of_the_upgrade_is_refused(calm: Server) -> None:
    session = await Polling.open(calm.port)
    websocket = await probe(session)
    poll = await session.start_get()
    websocket.send("5")
    assert (await poll.response()).status in (200, 400)
    assert (await session.get()).code == 3


async def test_a_second_websocket_is_accepted_and_closed_at_once(calm: Server) -> None:
    session = await Polling.open(calm.port)
    websocket = await upgraded(session)
    second = await session.upgrade()
    assert await second.closed() == []
    websocket.send("4hello")
    await websocket.expect("4hello")


async def test_a_second_probing_websocket_is_closed_and_the_first_goes_on(calm: Server) -> None:
    session = await Polling.open(calm.port)
    first = await session.upgrade()
    second = await session.upgrade()
    assert await second.closed() == []
    first.send("2probe")
    await first.expect("3probe")
    first.send("5")
    first.send("4hello")
    await first.expect("4hello")


async def test_a_websocket_session_cannot_be_upgraded(calm: Server) -> None:
    websocket = await WebSocket.open(calm.port)
    opening = await websocket.receive()
    assert isinstance(opening, str)
    second = await Polling(calm.port, opening.split('"')[3]).upgrade()
    assert await second.closed() == []
    websocket.send("4hello")
    await websocket.expect("4hello")


@pytest.mark.parametrize("first", ["2wrong", "5", "4hello", "", b"2probe", "x" * 100_000])
async def test_a_wrong_probe_leaves_the_session_polling(calm: Server, first: str | bytes) -> None:
    session = await Polling.open(calm.port)
    poll = await session.start_get()
    websocket = await session.upgrade()
    websocket.send(first)
    assert await websocket.closed() == []
    await session.post("4hello")
    assert (await poll.response()).text == "4hello"


async def test_a_client_that_gives_up_after_the_probe_goes_on_polling(calm: Server) -> None:
    session = await Polling.open(calm.port)
    websocket = await probe(session)
    assert (await session.get()).text == "6"
    poll = await session.start_get()
    await session.post("4held")
    websocket.cut()
    # The poll gets its noop where the message comes late.
    body = (await poll.response()).text
    if body == "6":
        body = (await session.get()).text
    assert body == "4held"


async def test_a_probe_that_ends_in_something_else_leaves_the_session_polling(calm: Server) -> None:
    session = await Polling.open(calm.port)
    websocket = await probe(session)
    websocket.send("4not the upgrade")
    assert await websocket.closed() == []
    await session.post("4hello")
    assert (await session.get()).text == "4hello"


async def test_a_session_that_ends_closes_its_probing_websocket(calm: Server) -> None:
    session = await Polling.open(calm.port)
    websocket = await probe(session)
    await session.post("1")
    assert await websocket.closed() == []


async def test_a_silent_websocket_disturbs_no_poll_and_is_closed_in_time(brisk: Server) -> None:
    session = await Polling.open(brisk.port)
    websocket = await session.upgrade()
    closed = asyncio.ensure_future(websocket.closed())
    # Polls are answered with pings and messages, not with noops at once.
    for number in range(4):
        assert (await session.get()).text == "2"
        await session.post(f"3\x1e4{number}")
        assert (await session.get()).text == f"4{number}"
    assert await closed == []


async def test_an_unfinished_upgrade_ends_in_time_and_polling_goes_on(hasty: Server) -> None:
    session = await Polling.open(hasty.port)
    websocket = await probe(session)
    closed = asyncio.ensure_future(websocket.closed())
    answers: list[str] = []

    async def go_on_polling() -> None:
        while "4hello" not in answers:
            response = await session.get()
            assert response.status == 200
            answers.extend(response.text.split("\x1e"))

    polls = asyncio.ensure_future(go_on_polling())
    assert await closed == []
    await session.post("4hello")
    await polls
    # A noop for each tenth of a second that the upgrade may take, not thousands.
    assert answers.count("6") <= 8


async def test_half_open_upgrades_leave_nothing_behind(hasty: Server) -> None:
    async def half_open() -> None:
        session = await Polling.open(hasty.port)
        websocket = await session.upgrade()
        websocket.send("2probe")
        await websocket.closed()
        await session.post("4hello")
        assert (await session.get()).text == "4hello"
        assert (await session.post("1")).status == 200

    for _ in range(4):
        await asyncio.gather(*(half_open() for _ in range(50)))
    assert "Traceback" not in hasty.log


async def test_the_handshake_of_an_unknown_session_is_refused(calm: Server) -> None:
    with pytest.raises(Closed):
        await Polling(calm.port, "nobody").upgrade()


async def test_a_client_that_leaves_in_mid_upgrade_is_gone_at_once(calm: Server) -> None:
    """A page that is closed breaks off its poll and its websocket; the next ping is far away."""
    session = await Polling.open(calm.port)
    websocket = await probe(session)
    poll = await start(calm.port, "GET", session.path)
    await asyncio.sleep(0.03)  # seen by the server, and not answered yet
    poll.cut()
    websocket.cut()
    async with asyncio.timeout(10):
        while (await session.post("4there?")).status == 200:
            await asyncio.sleep(0.05)
