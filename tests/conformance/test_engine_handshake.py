"""Engine.IO 4: how a session opens, and who is refused."""

import gzip
import json
import zlib

import pytest

from tests.conformance.raw import POLLING, WEBSOCKET, Closed, Polling, WebSocket, fetch, start
from tests.conformance.servers import Server

KEYS = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}


async def test_polling_handshake_tells_id_upgrades_and_limits(calm: Server) -> None:
    response = await fetch(calm.port, "GET", POLLING)
    assert response.status == 200
    assert response.headers["content-type"] == "text/plain; charset=UTF-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.text[0] == "0"
    opening = json.loads(response.text[1:])
    assert opening.keys() == KEYS
    assert opening["upgrades"] == ["websocket"]
    assert (opening["pingInterval"], opening["pingTimeout"]) == (25000, 20000)
    assert opening["maxPayload"] == 1_000_000


async def test_websocket_handshake_offers_no_upgrade(calm: Server) -> None:
    websocket = await WebSocket.open(calm.port)
    opening = await websocket.receive()
    assert isinstance(opening, str) and opening[0] == "0"
    assert json.loads(opening[1:])["upgrades"] == []
    assert json.loads(opening[1:]).keys() == KEYS
    websocket.cut()


async def test_fractions_of_seconds_are_told_in_exact_milliseconds(brisk: Server) -> None:
    response = await fetch(brisk.port, "GET", POLLING)
    opening = json.loads(response.text[1:])
    assert (opening["pingInterval"], opening["pingTimeout"]) == (300, 200)


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=abc", 0),
        ("GET", "EIO=4&transport=polling&sid=nobody", 1),
        ("POST", "EIO=4&transport=polling&sid=nobody", 1),
        ("POST", "EIO=4&transport=polling", 2),
        ("PUT", "EIO=4&transport=polling", 2),
        ("DELETE", "EIO=4&transport=polling&sid=nobody", 2),
        ("GET", "EIO=4&transport=polling&j=0", 3),
        ("GET", "EIO=4&transport=websocket", 3),
        ("GET", "transport=polling", 5),
        ("GET", "EIO=3&transport=polling", 5),
        ("GET", "EIO=abc&transport=polling", 5),
    ],
)
async def test_wrong_requests_are_answered_with_the_reference_codes(
    calm: Server, method: str, query: str, code: int
) -> None:
    response = await fetch(calm.port, method, f"/engine.io/?{query}")
    assert response.status == 400
    assert response.headers["content-type"] == "application/json"
    assert response.code == code
    assert response.json["message"]


async def test_head_is_refused(calm: Server) -> None:
    link = await start(calm.port, "HEAD", POLLING)
    status, _ = await link.head()
    link.cut()
    assert status == 400


@pytest.mark.parametrize(
    "query",
    [
        "transport=websocket",
        "EIO=abc&transport=websocket",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=4&transport=polling",
        "EIO=4&transport=websocket&sid=nobody",
    ],
)
async def test_websockets_with_wrong_queries_are_refused(calm: Server, query: str) -> None:
    with pytest.raises(Closed):
        await WebSocket.open(calm.port, f"/engine.io/?{query}")


async def test_the_client_address_is_the_true_one(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send("4!state")
    answer = await websocket.receive()
    assert isinstance(answer, str)
    assert json.loads(answer[1:])["address"] == "127.0.0.1"
    websocket.cut()


# Origins


ALLOWED = ["http://127.0.0.1:{port}", "http://localhost:8000", "https://app.trusted.example"]
REFUSED = [
    "http://evil.example",
    "null",
    "http://app.trusted.example",
    "https://trusted.example.net",
]


@pytest.mark.parametrize("origin", ALLOWED)
async def test_pages_of_allowed_origins_may_connect(calm: Server, origin: str) -> None:
    origin = origin.format(port=calm.port)
    response = await fetch(calm.port, "GET", POLLING, headers={"Origin": origin})
    assert response.status == 200
    assert response.headers["access-control-allow-origin"] == origin
    assert response.headers["access-control-allow-credentials"] == "true"
    assert response.headers["vary"] == "Origin"
    websocket = await WebSocket.open(calm.port, headers={"Origin": origin})
    assert await websocket.receive()
    websocket.cut()


@pytest.mark.parametrize("origin", REFUSED)
async def test_pages_of_other_origins_are_refused_with_what_to_do(
    calm: Server, origin: str
) -> None:
    response = await fetch(calm.port, "GET", POLLING, headers={"Origin": origin})
    assert response.status == 403
    assert response.code == 4
    remedy = "a web server" if origin == "null" else "CSRF_TRUSTED_ORIGINS"
    assert remedy in response.json["message"]
    assert "access-control-allow-origin" not in response.headers
    with pytest.raises(Closed):
        await WebSocket.open(calm.port, headers={"Origin": origin})


async def test_a_session_is_refused_to_other_origins_too(calm: Server) -> None:
    session = await Polling.open(calm.port)
    headers = {"Origin": "http://evil.example"}
    assert (await fetch(calm.port, "GET", session.path, headers=headers)).code == 4
    assert (await fetch(calm.port, "POST", session.path, b"4x", headers=headers)).code == 4
    with pytest.raises(Closed):
        await WebSocket.open(calm.port, f"{WEBSOCKET}&sid={session.sid}", headers=headers)
    assert (await session.post("4hello")).status == 200


async def test_a_preflight_is_answered_for_allowed_origins_only(calm: Server) -> None:
    headers = {"Origin": "http://localhost:8000", "Access-Control-Request-Headers": "x-token"}
    response = await fetch(calm.port, "OPTIONS", POLLING, headers=headers)
    assert response.status == 204
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == "x-token"
    refused = await fetch(calm.port, "OPTIONS", POLLING, headers={"Origin": "http://evil.example"})
    assert refused.status == 403


# Compression


@pytest.mark.parametrize(
    ("encoding", "decompress"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)]
)
async def test_long_answers_are_compressed_where_the_client_can(
    calm: Server, encoding: str, decompress: object
) -> None:
    assert callable(decompress)
    session = await Polling.open(calm.port)
    await session.post("4" + "long " * 1000)
    headers = {"Accept-Encoding": f"br;q=1, {encoding}"}
    response = await fetch(calm.port, "GET", session.path, headers=headers)
    assert response.headers["content-encoding"] == encoding
    assert decompress(response.body) == b"4" + b"long " * 1000


@pytest.mark.parametrize("accepted", ["gzip;q=0", "gzip ; q=0.000, identity", "deflate;q=0", "br"])
async def test_long_answers_are_sent_as_they_are_where_the_client_refuses(
    calm: Server, accepted: str
) -> None:
    session = await Polling.open(calm.port)
    await session.post("4" + "long " * 1000)
    headers = {"Accept-Encoding": accepted}
    response = await fetch(calm.port, "GET", session.path, headers=headers)
    assert "content-encoding" not in response.headers
    assert response.text == "4" + "long " * 1000


async def test_short_answers_are_not_compressed(calm: Server) -> None:
    session = await Polling.open(calm.port)
    await session.post("4short")
    headers = {"Accept-Encoding": "gzip"}
    response = await fetch(calm.port, "GET", session.path, headers=headers)
    assert "content-encoding" not in response.headers
    assert response.text == "4short"
