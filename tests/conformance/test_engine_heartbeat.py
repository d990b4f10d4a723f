"""Engine.IO 4: the server pings, and a client that does not answer is closed."""

import asyncio

from tests.conformance.raw import Polling, WebSocket
from tests.conformance.servers import Server


async def test_a_polling_client_that_answers_pings_stays(brisk: Server) -> None:
    session = await Polling.open(brisk.port)
    for _ in range(4):
        assert (await session.get()).text == "2"
        assert (await session.post("3")).text == "ok"


async def test_a_websocket_that_answers_pings_stays(brisk: Server) -> None:
    websocket = await WebSocket.session(brisk.port)
    for _ in range(4):
        await websocket.expect("2")
        websocket.send("3")
    websocket.send("4hello")
    await websocket.expect("4hello")


async def test_a_polling_client_that_answers_no_ping_is_closed(brisk: Server) -> None:
    session = await Polling.open(brisk.port)
    assert (await session.get()).text == "2"
    # The next poll waits and is told of the end.
    assert (await session.get()).text == "1"
    assert (await session.get()).code == 1


async def test_a_websocket_that_answers_no_ping_is_closed(brisk: Server) -> None:
    websocket = await WebSocket.session(brisk.port)
    await websocket.expect("2")
    websocket.send("4no pong")
    assert await websocket.closed() == ["4no pong"]


async def test_a_client_that_never_polls_is_closed(brisk: Server) -> None:
    session = await Polling.open(brisk.port)
    await asyncio.sleep(0.5)
    assert (await session.get()).code == 1


async def test_pongs_without_polls_keep_no_session_alive(brisk: Server) -> None:
    session = await Polling.open(brisk.port)
    for _ in range(40):
        await asyncio.sleep(0.05)
        if (await session.post("3")).status == 400:
            return
    raise AssertionError("a client that only posts was never closed")


async def test_pongs_before_a_ping_do_not_answer_it(brisk: Server) -> None:
    websocket = await WebSocket.session(brisk.port)
    for _ in range(5):
        websocket.send("3")
    await websocket.expect("2")
    websocket.send("4no pong")
    assert await websocket.closed() == ["4no pong"]


async def test_a_paused_connection_is_not_closed_for_pongs_that_lie_unread(brisk: Server) -> None:
    websocket = await WebSocket.session(brisk.port)
    websocket.send("4!pause 1.0")
    await websocket.expect("2")
    websocket.send("3")
    websocket.send("4still here")
    while (frame := await websocket.receive()) == "2":
        pass  # it goes on pinging, to find out whether the client is still there
    assert frame == "4still here"


async def test_a_ping_reaches_the_client_after_an_upgrade(brisk: Server) -> None:
    session = await Polling.open(brisk.port)
    websocket = await session.upgrade()
    websocket.send("2probe")
    await websocket.expect("3probe")
    websocket.send("5")
    for _ in range(3):
        await websocket.expect("2")
        websocket.send("3")
