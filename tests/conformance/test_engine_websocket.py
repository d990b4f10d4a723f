"""Engine.IO 4 over websockets."""

import asyncio
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.raw import WEBSOCKET, Closed, WebSocket
from tests.conformance.servers import Server, serve

LIMIT = 1_000_000
#: As browsers offer it.
COMPRESSION = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}


def deflated(text: str) -> bytes:
    """The payload of a compressed frame that needs none before it."""
    compressor = zlib.compressobj(wbits=-12)
    return (compressor.compress(text.encode()) + compressor.flush(zlib.Z_FULL_FLUSH))[:-4]


async def state(server: Server) -> dict[str, Any]:
    websocket = await WebSocket.session(server.port)
    websocket.send("4!state")
    answer = await websocket.receive()
    websocket.cut()
    assert isinstance(answer, str)
    decoded: dict[str, Any] = json.loads(answer[1:])
    return decoded


@pytest.mark.parametrize(
    "message", ["4hello", "4", "4äöü €\U0001f600", b"\1\2\3\4", "4" + "x" * 70_000]
)
async def test_messages_come_back(calm: Server, message: str | bytes) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send(message)
    await websocket.expect(message)
    websocket.cut()


async def test_an_empty_binary_message_comes_back_as_empty_base64(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send("4!binary text")
    await websocket.expect("4text", b"\1\2", "b")
    websocket.send("b")
    await websocket.expect("b")
    websocket.cut()


async def test_many_messages_come_back_in_order(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    for number in range(3000):
        websocket.send(f"4{number}")
    for number in range(3000):
        await websocket.expect(f"4{number}")
    websocket.cut()


@pytest.mark.parametrize(
    "message",
    ["abc", "", "7", "-", "2", "2probe", "bnot base64!", "\x00", "٤", "4!reject"],
)
async def test_what_is_no_packet_closes_the_connection(calm: Server, message: str) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send(message)
    websocket.send("4too late")
    assert await websocket.closed() == []
    assert "Traceback" not in calm.log


@pytest.mark.parametrize("packet", ["0", "0{}", "5", "52", "6", "6probe"])
async def test_packets_that_mean_nothing_here_are_ignored(calm: Server, packet: str) -> None:
    """As both reference servers do."""
    websocket = await WebSocket.session(calm.port)
    websocket.send(packet)
    websocket.send("3")
    websocket.send("4still here")
    await websocket.expect("4still here")
    websocket.cut()


@pytest.mark.parametrize("asked", ["1", "true"])
async def test_a_client_that_asks_for_base64_gets_attachments_as_text(
    calm: Server, asked: str
) -> None:
    websocket = await WebSocket.open(calm.port, f"{WEBSOCKET}&b64={asked}")
    await websocket.receive()
    websocket.send("4!binary text")
    await websocket.expect("4text", "bAQI=", "b")
    websocket.send("bAQIDBA==")
    await websocket.expect("bAQIDBA==")
    websocket.cut()


async def test_base64_is_asked_for_by_a_value(calm: Server) -> None:
    websocket = await WebSocket.open(calm.port, f"{WEBSOCKET}&b64=")
    await websocket.receive()
    websocket.send(b"\1")
    await websocket.expect(b"\1")
    websocket.cut()


async def test_the_close_packet_closes_the_connection(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send("1")
    assert await websocket.closed() == []


async def test_a_close_by_the_server_comes_after_what_was_sent(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send("4!close")
    await websocket.expect("4last words")
    with pytest.raises(Closed):
        await websocket.receive()


async def test_a_message_at_the_limit_is_taken(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send("4" + "x" * (LIMIT - 1))
    answer = await websocket.receive()
    assert len(answer) == LIMIT
    websocket.cut()


@pytest.mark.parametrize(
    "message", ["4" + "x" * LIMIT, b"x" * (LIMIT + 1), "4" + "ä" * (LIMIT // 2)]
)
async def test_a_message_over_the_limit_closes_the_connection(
    calm: Server, message: str | bytes
) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send(message)
    assert await websocket.closed() == []


async def test_a_bug_above_closes_only_this_connection(calm: Server) -> None:
    other = await WebSocket.session(calm.port)
    websocket = await WebSocket.session(calm.port)
    websocket.send("4!crash")
    assert await websocket.closed() == []
    other.send("4fine")
    await other.expect("4fine")
    other.cut()


async def test_compression_is_not_agreed_to(calm: Server) -> None:
    websocket = await WebSocket.open(calm.port, headers=COMPRESSION)
    assert await websocket.receive()
    assert "sec-websocket-extensions" not in websocket.headers
    websocket.send_frame(0x41, deflated("4hello"))
    assert await websocket.closed() == []


@pytest.mark.parametrize("kind", ["daphne", "uvicorn-wsproto", "uvicorn-websockets-sansio"])
async def test_frames_are_legal_where_compression_was_negotiated(kind: str, tmp_path: Path) -> None:
    with serve(kind, tmp_path, websocket_compression=1) as server:
        websocket = await WebSocket.open(server.port, headers=COMPRESSION)
        assert await websocket.receive()
        negotiated = "permessage-deflate" in websocket.headers.get("sec-websocket-extensions", "")
        assert negotiated == (kind != "daphne")
        # `receive` checks that RSV1 is not set: the payload is not compressed and says so.
        websocket.send("4!flood 3 200")
        for number in range(3):
            await websocket.expect("4" + f"{number} ".ljust(200, "x"))
        if negotiated:
            # In turns with frames that are read without the server's parser.
            for first, text in ((0x41, "4one"), (0x1, "4two"), (0x41, "4three")):
                data = deflated(text) if first == 0x41 else text.encode()
                websocket.send_frame(first, data)
                await websocket.expect(text)
        websocket.cut()


async def test_the_legacy_websockets_of_uvicorn_agree_to_no_compression_either(
    tmp_path: Path,
) -> None:
    with serve("uvicorn-websockets", tmp_path) as server:
        websocket = await WebSocket.open(server.port, headers=COMPRESSION)
        assert await websocket.receive()
        assert "sec-websocket-extensions" not in websocket.headers
        websocket.send("4hello")
        await websocket.expect("4hello")
        websocket.cut()


async def test_messages_for_a_paused_connection_wait_and_stay_in_order(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send("4!pause 0.5")
    for number in range(2000):
        websocket.send(f"4{number}")
    for number in range(2000):
        await websocket.expect(f"4{number}")
    websocket.cut()


async def test_a_thousand_cut_connections_leave_nothing_behind(calm: Server) -> None:
    async def visit() -> None:
        websocket = await WebSocket.session(calm.port)
        websocket.send("4hello")
        await websocket.expect("4hello")
        websocket.cut()

    before = await state(calm)
    for _ in range(20):
        await asyncio.gather(*(visit() for _ in range(50)))
    for _ in range(100):
        # Sessions of other tests that poll no more may end meanwhile.
        if (await state(calm))["open"] <= before["open"]:
            return
        await asyncio.sleep(0.1)
    pytest.fail("connections were left behind")
