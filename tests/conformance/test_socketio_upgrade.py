"""Socket.IO 5 over a connection that goes from polling to a websocket."""

import asyncio
import json

from tests.conformance.raw import WebSocket, fetch
from tests.conformance.servers import Server
from tests.conformance.talker import POLLING, WEBSOCKET


async def polling_session(server: Server) -> str:
    opening = await fetch(server.port, "GET", POLLING)
    sid: str = json.loads(opening.text[1:])["sid"]
    return sid


async def test_a_poll_that_crosses_the_upgrade_is_refused(talk: Server) -> None:
    """As the official suite has it: neither the probe's answer nor anything else is awaited."""
    sid = await polling_session(talk)
    websocket = await WebSocket.open(talk.port, f"{WEBSOCKET}&sid={sid}")
    websocket.send("2probe")
    websocket.send("5")
    assert (await fetch(talk.port, "GET", f"{POLLING}&sid={sid}")).status == 400
    await websocket.expect("3probe")


async def test_events_are_neither_lost_nor_repeated_by_an_upgrade(talk: Server) -> None:
    sid = await polling_session(talk)
    path = f"{POLLING}&sid={sid}"
    await fetch(talk.port, "POST", path, b"40")
    received = (await fetch(talk.port, "GET", path)).text.split("\x1e")[1:]
    sent = 0

    async def post() -> None:
        nonlocal sent
        body = "\x1e".join(f'42["mirror",{sent + number}]' for number in range(10))
        sent += 10
        assert (await fetch(talk.port, "POST", path, body.encode())).status == 200

    async def poll() -> None:
        text = (await fetch(talk.port, "GET", path)).text
        received.extend(packet for packet in text.split("\x1e") if packet not in ("2", "6"))

    await asyncio.gather(post(), poll())
    websocket = await WebSocket.open(talk.port, f"{WEBSOCKET}&sid={sid}")
    await asyncio.gather(post(), poll())
    websocket.send("2probe")
    await websocket.expect("3probe")
    await post()
    await poll()
    websocket.send("5")
    for number in range(sent, sent + 10):
        websocket.send(f'42["mirror",{number}]')
    sent += 10
    while len(received) < sent:
        packet = await websocket.receive()
        if packet == "2":
            websocket.send("3")
        else:
            assert isinstance(packet, str)
            received.append(packet)
    assert received == [f'42["mirrored",{number}]' for number in range(sent)]
