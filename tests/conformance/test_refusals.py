"""What is refused is in the log: one line for each kind and address, with what to change."""

import pytest

from tests.conformance.raw import Closed, WebSocket, fetch
from tests.conformance.servers import Server
from tests.conformance.talker import POLLING, WEBSOCKET, Log, Talker

AGENT = {"User-Agent": "BestHTTP/2"}


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ("EIO=3&transport=polling", 5, "a client of Engine.IO 3 (Socket.IO 2)"),
        ("EIO=2&transport=polling", 5, "a client of Engine.IO 2 (Socket.IO 1)"),
        ("EIO=99&transport=polling", 5, "a client of Engine.IO '99'"),
        ("transport=polling", 5, "a client that names no version (EIO)"),
        ("", 0, "not from a Socket.IO client"),
        ("EIO=4", 0, "without a transport"),
        ("EIO=4&transport=smoke", 0, "transport 'smoke'; REALTIME TRANSPORTS allows polling, web"),
        ("EIO=4&transport=websocket", 3, "transport=websocket that came over polling"),
        ("EIO=4&transport=polling&j=1", 3, "JSONP"),
        ("EIO=4&transport=polling&sid=none", 1, "a session that is not here"),
    ],
)
async def test_a_request_that_is_refused_is_said_once(
    brief: Server, query: str, code: int, said: str
) -> None:
    log = Log(brief)
    for _ in range(30):
        response = await fetch(brief.port, "GET", f"/socket.io/?{query}", headers=AGENT)
        assert response.code == code
    line = await log.line()
    assert said in line and "(user agent 'BestHTTP/2')" in line


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("EIO=3&transport=websocket", "Upgrade the client: socket.io-client 3 or newer"),
        ("transport=websocket", "Upgrade the client: socket.io-client 3 or newer"),
        ("EIO=4&transport=websocket&sid=none", "a session that is not here"),
    ],
)
async def test_a_websocket_that_is_refused_is_said(brief: Server, query: str, said: str) -> None:
    log = Log(brief)
    for _ in range(3):
        with pytest.raises(Closed):
            await WebSocket.open(brief.port, f"/socket.io/?{query}")
    assert said in await log.line()


async def test_refusals_of_other_kinds_are_said_too(brief: Server) -> None:
    log = Log(brief)
    client = await Talker.open(brief.port)
    for number in range(5):
        client.send('0/custom,{"refuse":1}')
        await client.expect('4/custom,{"message":"not today","data":1}')
        client.send(f"0/nope{number},")
        await client.expect(f'4/nope{number},{{"message":"Invalid namespace"}}')
    refused, *unserved = log.lines
    assert "a client of '/custom' by Talk: 'not today'" in refused
    assert ["nothing serves the namespace" in line for line in unserved] == [True]


async def test_what_a_client_sent_is_shortened_and_on_one_line(brief: Server) -> None:
    log = Log(brief)
    client = await Talker.open(brief.port)
    client.send(f"0/{'x' * 100_000},")
    await client.receive()
    version = f"EIO=3%0AERROR%20realtime{'x' * 1_000}"
    response = await fetch(brief.port, "GET", f"/socket.io/?transport=polling&{version}")
    assert response.code == 5
    assert len(log.lines) == 2 and max(map(len, log.lines)) < 500
    assert "3\\nERROR realtime" in log.lines[1]


async def test_origins_are_refused_in_one_line_each(brief: Server) -> None:
    log = Log(brief)
    for origin in ("https://evil.example", "wss://evil.example") * 5:
        response = await fetch(brief.port, "GET", POLLING, headers={"Origin": origin})
        assert response.status == 403
    assert len(log.lines) == 2
    assert all("CSRF_TRUSTED_ORIGINS" in line for line in log.lines)


async def test_an_empty_session_id_asks_for_a_new_session(talk: Server) -> None:
    """Both reference servers take it so."""
    response = await fetch(talk.port, "GET", f"{POLLING}&sid=")
    assert response.text.startswith('0{"sid"')


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_the_origin_may_have_the_scheme_of_a_websocket(talk: Server, scheme: str) -> None:
    origin = {"Origin": f"{scheme}://127.0.0.1:{talk.port}"}
    websocket = await WebSocket.open(talk.port, WEBSOCKET, origin)
    assert str(await websocket.receive()).startswith("0{")
    response = await fetch(talk.port, "GET", POLLING, headers=origin)
    assert response.headers["access-control-allow-origin"] == origin["Origin"]
