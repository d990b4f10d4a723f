"""The reader of common frames, beside the parsers that it stands before."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.engine.transports import reader
from realtime.engine.transports.autobahn import AutobahnReader
from realtime.engine.transports.reader import FrameReader, text_frame
from realtime.engine.transports.uvicorn import WebsocketsReader, WsprotoReader
from tests.fuzz.websockets import KINDS, MAX_PAYLOAD, Websocket, compare, cut, frame

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 0x81, 0x82, 0x80, 0x88, 0x89, 0x8A

PAYLOADS = st.one_of(
    st.sampled_from([b"4hello", b"4pause", b"4close", b"3", b"1", b"", b"b!", b"4", b"\xff", b"6"]),
    st.text(max_size=200).map(lambda text: b"4" + text.encode()),
    st.binary(max_size=150).map(lambda data: b"4" + data),
    st.sampled_from([120, 124, 125, 126, 300, MAX_PAYLOAD - 1, MAX_PAYLOAD, 70_000]).map(
        lambda size: b"4" + b"x" * size
    ),
    st.sampled_from(
        [b"4\xed\xa0\x80", b"4\xc0\x80", b"4\xf4\x90\x80\x80", b"4\xe2\x82", b"4\xe2\x82\xac"]
    ),
)
MASKS = st.binary(min_size=4, max_size=4)
COMMON = st.builds(frame, st.just(TEXT), PAYLOADS, MASKS)
ANY = st.builds(
    frame,
    st.one_of(
        st.sampled_from([0x01, BINARY, 0x00, CONTINUED, CLOSE, PING, PONG, 0xC1]),
        st.integers(0, 255),
    ),
    PAYLOADS,
    st.one_of(MASKS, st.none()),
    st.sampled_from([0, 2, 8]),
)
FRAGMENTS = st.tuples(
    st.sampled_from([0x01, 0x02]), st.lists(PAYLOADS, min_size=1, max_size=3)
).map(
    lambda message: (
        b"".join(
            [frame(message[0], message[1][0]), *(frame(0x00, part) for part in message[1][1:])]
        )
        + frame(CONTINUED, b"end")
    )
)
#: Common frames are common, so that what follows an uncommon one is read again.
STREAMS = st.lists(
    st.one_of(
        COMMON, COMMON, COMMON, FRAGMENTS, ANY, st.builds(frame, st.just(PING), st.just(b"?"))
    ),
    max_size=12,
).map(b"".join)
SIZES = st.lists(st.one_of(st.integers(1, 12), st.integers(1, 400), st.just(100_000)), max_size=5)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stream=STREAMS, sizes=SIZES, ws_max_size=st.sampled_from([150, 2**24]))
def test_reader_does_what_the_servers_own_parser_does(
    kind: str, stream: bytes, sizes: list[int], ws_max_size: int
) -> None:
    asyncio.run(compare(kind, cut(stream, sizes), ws_max_size))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(stream=st.binary(max_size=40), sizes=SIZES)
def test_what_is_no_frame_is_left_to_the_parser(kind: str, stream: bytes, sizes: list[int]) -> None:
    asyncio.run(compare(kind, cut(stream, sizes)))


@pytest.mark.parametrize("kind", KINDS)
async def test_common_frames_after_any_other_are_read_again(kind: str) -> None:
    websocket = await opened(kind)
    for other in (
        frame(PING, b"?"),
        frame(0x01, b"4a") + frame(CONTINUED, b"b"),
        frame(BINARY, b"c"),
    ):
        websocket.feed(other)
        with nothing_passed_on(websocket):
            websocket.feed(frame(TEXT, b"4common"))
    assert websocket.sink.heard == ["common", "ab", "common", b"c", "common"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", range(1, 12))
async def test_a_frame_that_came_in_two_parts_is_the_parsers(kind: str, at: int) -> None:
    websocket, whole = await opened(kind), frame(TEXT, b"4parts")
    websocket.feed(frame(TEXT, b"4first") + whole[:at])
    assert websocket.sink.heard == ["first"]
    websocket.feed(whole[at:])
    assert websocket.sink.heard == ["first", "parts"]


async def test_daphne_pings_no_client_that_has_just_sent_something() -> None:
    websocket = await opened("daphne")
    websocket.protocol.last_ping = 0.0
    websocket.feed(frame(PONG, b""))
    assert websocket.protocol.last_ping == 0.0
    before = time.time()
    websocket.feed(frame(TEXT, b"4hello"))
    assert websocket.protocol.last_ping >= before


async def test_a_message_answers_a_ping_of_autobahn() -> None:
    websocket = await opened("daphne")
    websocket.protocol._sendAutoPing()
    assert websocket.protocol.autoPingTimeoutCall is not None
    websocket.feed(frame(TEXT, b"4hello"))
    assert websocket.sink.heard == ["hello"]
    assert websocket.protocol.autoPingTimeoutCall is None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_logs_each_frame_reads_each(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "wsproto":
        pytest.skip("it logs no frames")
    names = {"daphne": "daphne.ws_protocol", "websockets": "uvicorn.error"}
    with caplog.at_level(logging.DEBUG, names[kind]):
        websocket = Websocket(kind)
        await websocket.open()
        websocket.feed(frame(TEXT, b"4hello"))
    assert websocket.sink.heard == ["hello"]
    assert any("frame" in line or "< TEXT" in line for line in caplog.messages)


@pytest.mark.parametrize("reader_class", [AutobahnReader, WebsocketsReader, WsprotoReader])
@pytest.mark.parametrize("protocol", [object(), SimpleNamespace(close_sent=False, conn=None)])
def test_a_protocol_that_is_not_as_it_was_has_no_reader(
    reader_class: type[FrameReader], protocol: Any
) -> None:
    nothing: Any = None
    assert reader_class.find(nothing, protocol, nothing, nothing, 1) is None


@given(
    payload=st.text(max_size=300),
    mask=MASKS,
    before=st.binary(max_size=5),
    limit=st.integers(0, 400),
)
def test_text_frame_reads_what_fits(payload: str, mask: bytes, before: bytes, limit: int) -> None:
    data = payload.encode()
    whole = frame(TEXT, data, mask)
    expected = (payload, len(before + whole)) if len(data) <= limit else None
    assert text_frame(before + whole + b"more", len(before), limit) == expected
    assert text_frame(before + whole[:-1], len(before), limit) is None


@given(data=st.binary(max_size=200), mask=MASKS)
def test_masks_come_off_alike_without_websockets_speedups(data: bytes, mask: bytes) -> None:
    assert reader.xor(data, mask) == reader.unmask(data, mask)


async def opened(kind: str) -> Websocket:
    websocket = Websocket(kind)
    await websocket.open()
    assert websocket.reader is not None
    return websocket


@contextmanager
def nothing_passed_on(websocket: Websocket) -> Iterator[None]:
    """The server's parser sees no byte meanwhile."""
    assert websocket.reader is not None
    method = "dataReceived" if websocket.kind == "daphne" else "data_received"
    owner = type(websocket.protocol)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, method, lambda *args: pytest.fail("passed on"))
        yield
