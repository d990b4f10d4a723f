"""Engine.IO 4 over HTTP long polling."""

import asyncio
import json

import pytest

from tests.conformance.raw import Link, Polling, Response, head
from tests.conformance.servers import Server

LIMIT = 1_000_000


async def assert_gone(session: Polling) -> None:
    response = await session.get()
    assert (response.status, response.code) == (400, 1)
    assert (await session.post("4late")).code == 1


@pytest.mark.parametrize(
    "body",
    ["4hello", "4one\x1e4two\x1e4three", "4hello\x1ebAQIDBA==", "4äöü €\x1e4\U0001f600", "4"],
)
async def test_messages_come_back_in_one_payload(calm: Server, body: str) -> None:
    session = await Polling.open(calm.port)
    posted = await session.post(body)
    assert (posted.status, posted.text) == (200, "ok")
    assert posted.headers["content-type"].startswith("text/plain")
    polled = await session.get()
    assert polled.status == 200
    assert polled.text == body


async def test_a_waiting_poll_is_answered_when_a_message_comes(calm: Server) -> None:
    session = await Polling.open(calm.port)
    poll = await session.start_get()
    await session.post("4hello")
    assert (await poll.response()).text == "4hello"


async def test_an_empty_attachment_is_an_empty_base64_message(calm: Server) -> None:
    session = await Polling.open(calm.port)
    await session.post("4!binary text")
    assert (await session.get()).text == "4text\x1ebAQI=\x1eb"


@pytest.mark.parametrize(
    "body",
    [
        b"abc",
        b"",
        b"7",
        b"-1",
        b"\x1e",
        b"4good\x1e",
        b"4good\x1eX",
        b"bnot base64!",
        b"bAQIDBA",
        b"\xff\xfe",
        b"4\xed\xa0\x80",
        b"2probe",
        b"6\x1e" * 20_000 + b"6",
        b"d=4hello",
    ],
)
async def test_what_is_no_packet_is_refused_and_ends_the_session(calm: Server, body: bytes) -> None:
    session = await Polling.open(calm.port)
    response = await session.post(body)
    assert (response.status, response.code) == (400, 3)
    await assert_gone(session)
    assert "Traceback" not in calm.log


@pytest.mark.parametrize("packet", ["0", "0{}", "5", "52", "6", "6probe"])
async def test_packets_that_mean_nothing_here_are_ignored(calm: Server, packet: str) -> None:
    session = await Polling.open(calm.port)
    assert (await session.post(f"{packet}\x1e4hello")).text == "ok"
    assert (await session.get()).text == "4hello"


async def test_a_second_poll_at_once_ends_the_session(calm: Server) -> None:
    session = await Polling.open(calm.port)
    first = await session.start_get()
    second = await session.get()
    assert (await first.response()).text == "1"
    assert (second.status, second.code) == (400, 3)
    await assert_gone(session)


async def test_the_close_packet_ends_the_session_and_the_waiting_poll(calm: Server) -> None:
    session = await Polling.open(calm.port)
    poll = await session.start_get()
    assert (await session.post("1")).text == "ok"
    assert (await poll.response()).text == "6"
    await assert_gone(session)


async def test_packets_after_a_close_packet_are_ignored(calm: Server) -> None:
    session = await Polling.open(calm.port)
    assert (await session.post("4one\x1e1\x1e4two")).status == 200
    await assert_gone(session)


async def test_a_poll_that_the_client_cuts_ends_the_session(calm: Server) -> None:
    session = await Polling.open(calm.port)
    poll = await session.start_get()
    poll.cut()
    await asyncio.sleep(0.2)
    await assert_gone(session)


async def test_a_close_by_the_server_hands_over_what_waits(calm: Server) -> None:
    session = await Polling.open(calm.port)
    await session.post("4first\x1e4!close")
    response = await session.get()
    assert (response.status, response.text) == (200, "4first\x1e4last words\x1e1")
    await assert_gone(session)


async def test_a_close_by_the_server_answers_the_waiting_poll(calm: Server) -> None:
    session = await Polling.open(calm.port)
    poll = await session.start_get()
    await session.post("4!close")
    assert (await poll.response()).text == "4last words\x1e1"
    await assert_gone(session)


async def test_a_message_that_the_layer_above_rejects_ends_the_session(calm: Server) -> None:
    session = await Polling.open(calm.port)
    assert (await session.post("4!reject\x1e4more")).status in (200, 400)
    await assert_gone(session)


async def test_messages_for_a_paused_session_wait_and_stay_in_order(calm: Server) -> None:
    session = await Polling.open(calm.port)
    posted = await session.post("4!pause 0.5\x1e" + "\x1e".join(f"4{n}" for n in range(100)))
    assert posted.text == "ok"
    assert (await session.get()).text == "\x1e".join(f"4{n}" for n in range(100))


# The size of a body


async def test_a_body_at_the_limit_is_taken(calm: Server) -> None:
    session = await Polling.open(calm.port)
    assert (await session.post("4" + "x" * (LIMIT - 1))).status == 200
    assert len((await session.get()).body) == LIMIT


async def test_a_body_over_the_limit_is_refused_with_413(calm: Server) -> None:
    session = await Polling.open(calm.port)
    assert (await session.post("4" + "x" * LIMIT)).status == 413


async def chunked(session: Polling) -> Link:
    link = await Link.open(session.port)
    headers = {"Host": f"127.0.0.1:{session.port}", "Transfer-Encoding": "chunked"}
    link.write(head("POST", session.path, headers))
    return link


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def test_a_chunked_body_that_passes_the_limit_is_refused_before_it_ends(calm: Server) -> None:
    session = await Polling.open(calm.port)
    link = await chunked(session)
    link.write(chunk(b"4" + b"x" * 99_999))
    for _ in range(9):
        link.write(chunk(b"x" * 100_000))
    link.write(chunk(b"x"))
    response = await link.response()
    assert response.status == 413
    link.cut()


async def test_a_chunked_body_within_the_limit_is_taken(calm: Server) -> None:
    session = await Polling.open(calm.port)
    link = await chunked(session)
    link.write(chunk(b"4hel") + chunk(b"lo") + chunk(b""))
    assert (await link.response()).text == "ok"
    assert (await session.get()).text == "4hello"
    link.cut()


async def test_an_endless_chunked_body_does_not_fill_the_memory(calm: Server) -> None:
    session = await Polling.open(calm.port)
    before = calm.memory
    link = await chunked(session)
    answer = asyncio.ensure_future(link.response())
    try:
        for _ in range(500):
            link.write(chunk(b"x" * 100_000))
            await asyncio.wait_for(link.writer.drain(), 1)
    except (OSError, TimeoutError):
        # The server has stopped reading, as it should.
        pass
    link.cut()
    await asyncio.gather(answer, return_exceptions=True)
    assert calm.memory - before < 20_000_000


async def test_a_body_may_come_a_byte_at_a_time(calm: Server) -> None:
    session = await Polling.open(calm.port)
    link = await Link.open(calm.port)
    body = b"4slowly"
    headers = {"Host": f"127.0.0.1:{calm.port}", "Content-Length": str(len(body))}
    link.write(head("POST", session.path, headers))
    for byte in body:
        link.write(bytes([byte]))
        await asyncio.sleep(0.02)
    assert (await link.response()).text == "ok"
    assert (await session.get()).text == "4slowly"
    link.cut()


async def test_a_post_that_the_client_cuts_disturbs_nothing(calm: Server) -> None:
    session = await Polling.open(calm.port)
    link = await Link.open(calm.port)
    headers = {"Host": f"127.0.0.1:{calm.port}", "Content-Length": "100"}
    link.write(head("POST", session.path, headers) + b"4half")
    await asyncio.sleep(0.1)
    link.cut()
    await session.post("4whole")
    assert (await session.get()).text == "4whole"
    assert "Traceback" not in calm.log


# The outbox


async def test_a_client_that_never_polls_is_closed_at_the_bound_of_messages(calm: Server) -> None:
    session = await Polling.open(calm.port)
    await session.post("4!flood 1001 10")
    await assert_gone(session)


async def test_volatile_messages_are_dropped_at_the_bound_and_counted(calm: Server) -> None:
    session = await Polling.open(calm.port)
    await session.post("4!volatile 1100 10")
    response: Response = await session.get()
    assert len(response.text.split("\x1e")) == 1000
    await session.post("4!state")
    state = json.loads((await session.get()).text[1:])
    assert state["counts"]["dropped.volatile"] >= 100
