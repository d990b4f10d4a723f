"""A request's subprotocols: the first is accepted, as Node's server does."""

import pytest

from tests.conformance.raw import WEBSOCKET, Polling, WebSocket
from tests.conformance.servers import Server


@pytest.mark.parametrize("offered", ["chat", "chat, v2.chat", "v2.chat, chat"])
async def test_first_subprotocol_is_accepted(calm: Server, offered: str) -> None:
    headers = {"Sec-WebSocket-Protocol": offered}
    websocket = await WebSocket.open(calm.port, headers=headers)
    assert websocket.headers["sec-websocket-protocol"] == offered.partition(",")[0]
    opening = await websocket.receive()
    assert isinstance(opening, str) and opening.startswith("0")


async def test_first_subprotocol_is_accepted_for_an_upgrade(calm: Server) -> None:
    session = await Polling.open(calm.port)
    headers = {"Sec-WebSocket-Protocol": "chat, v2.chat"}
    websocket = await WebSocket.open(calm.port, f"{WEBSOCKET}&sid={session.sid}", headers)
    assert websocket.headers["sec-websocket-protocol"] == "chat"
    websocket.send("2probe")
    await websocket.expect("3probe")


async def test_none_is_named_where_none_was_offered(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    assert "sec-websocket-protocol" not in websocket.headers
