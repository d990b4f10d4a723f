"""Requests that reach another process than the one that holds their session."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.conformance.raw import Closed, Link, Response, WebSocket, fetch, start
from tests.live.balancer import Balancer
from tests.live.clients import Client
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.nginx import Nginx
from tests.live.servers import Redis, Server, eventually
from tests.live.test_javascript import run

pytestmark = pytest.mark.redis

POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
BOTH = ["polling", "websocket"]
#: Under MAX_PAYLOAD with what is around it.
LARGE = 990_000
RECONNECTING = {"reconnection": True, "reconnection_delay": 0.1, "reconnection_delay_max": 0.5}


@pytest.fixture(autouse=True)
def cut_links() -> Iterator[None]:
    yield
    while Link.links:
        Link.links.pop().cut()


@pytest.fixture(params=[(0, 1), (1, 0)], ids=["uvicorn-for-daphne", "daphne-for-uvicorn"])
def home_and_entry(request: pytest.FixtureRequest, cluster: list[Server]) -> tuple[Server, Server]:
    """Who holds the sessions, and who gets the requests."""
    home, entry = request.param
    return cluster[home], cluster[entry]


class Session:
    """A raw session whose requests go to a port of the test's choice."""

    def __init__(self, port: int, sid: str) -> None:
        self.port = port
        self.sid = sid

    @classmethod
    async def open(cls, home: Server, entry: Server | None = None) -> "Session":
        """Opened at its home; further requests go to the entry."""
        assert home.port is not None
        response = await fetch(home.port, "GET", POLLING)
        port = (entry or home).port
        assert port is not None
        return cls(port, json.loads(response.text[1:])["sid"])

    @classmethod
    async def joined(cls, home: Server, entry: Server | None = None) -> "Session":
        session = await cls.open(home, entry)
        assert (await session.post("40")).status == 200
        assert b"welcome" in await session.until(b"welcome")
        return session

    @property
    def path(self) -> str:
        return f"{POLLING}&sid={self.sid}"

    async def get(self, **headers: str) -> Response:
        return await fetch(self.port, "GET", self.path, headers=_named(headers))

    async def start_get(self) -> Link:
        """A poll that is on its way; returns once its home has surely seen it."""
        link = await start(self.port, "GET", self.path)
        await asyncio.sleep(0.3)
        return link

    async def post(self, body: str | bytes, **headers: str) -> Response:
        data = body.encode() if isinstance(body, str) else body
        return await fetch(self.port, "POST", self.path, data, _named(headers))

    async def until(self, part: bytes) -> bytes:
        """Poll until the part has come; all that came."""
        whole = b""
        while part not in whole:
            response = await self.get()
            assert response.status == 200, response.body
            whole += response.body
        return whole

    async def upgrade(self) -> WebSocket:
        return await WebSocket.open(self.port, f"{WEBSOCKET}&sid={self.sid}")


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def seen(response: Response) -> tuple[Any, ...]:
    """What a client can tell; not what each web server adds."""
    names = [
        "content-type",
        "content-encoding",
        "cache-control",
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "vary",
    ]
    return response.status, response.body, *(response.headers.get(name) for name in names)


async def relayed(server: Server) -> int:
    """How many requests this server has let others answer."""
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/counts/") as response:
        answer: int = (await response.json()).get("relay.requests", 0)
        return answer


# The raw protocol


async def conversation(session: Session, origin: str) -> list[Any]:
    """Answers to all that can be asked for over polling."""
    answers = [
        await session.post("40"),
        # Not what is in the first answer: it has a sid of its own.
        await session.post('421["echo",{"text":"läß"}]'),
    ]
    await session.until(b"431")
    answers.append(await session.post(f'422["echo","{"x" * 3000}"]'))
    answers.append(await session.get(Accept_Encoding="gzip", Origin=origin))
    answers.append(await session.post(b'4531-4["echo",{"_placeholder":true,"num":0}]\x1ebAAEC'))
    answers.append(await session.get(Origin="https://elsewhere.example"))
    answers.append(await session.get())
    answers.append(await fetch(session.port, "OPTIONS", session.path))
    answers.append(await fetch(session.port, "PUT", session.path))
    answers.append(await fetch(session.port, "GET", session.path.replace("EIO=4", "EIO=3")))
    answers.append(await session.post("not a packet"))
    answers.append(await session.get())
    return [seen(answer) for answer in answers]


async def test_wrong_process_answers_as_the_right_one_would(
    home_and_entry: tuple[Server, Server], logs: Logs
) -> None:
    home, entry = home_and_entry
    before = await relayed(entry)
    origin = home.url
    direct = await conversation(await Session.open(home), home.url)
    through = await conversation(await Session.open(home, entry), entry.url)
    # The origin in the answer is the one that was asked with.
    assert _texts(through, entry.url) == _texts(direct, origin)
    assert [answer[0] for answer in direct].count(400) == 4
    assert await relayed(entry) > before


def _texts(answers: list[Any], origin: str) -> list[str]:
    return [repr(answer).replace(origin, "ORIGIN") for answer in answers]


async def test_body_over_the_limit_ends_the_session_at_its_home(
    home_and_entry: tuple[Server, Server],
) -> None:
    home, entry = home_and_entry
    session = await Session.joined(home, entry)
    assert (await session.post(b"4" + b"x" * 1_000_000)).status == 413
    assert (await session.get()).status == 400
    chunked = await Session.joined(home, entry)
    link = await start(chunked.port, "POST", chunked.path, headers={"Transfer-Encoding": "chunked"})
    # raw.start gives each POST a length, which chunks overrule; daphne refuses both together.
    link.cut()
    whole = await Session.joined(home, entry)
    assert (await whole.post(f'421["echo","{"x" * LARGE}"]')).status == 200
    assert len(await whole.until(b"431")) > LARGE


async def test_poll_that_the_client_breaks_off_swallows_nothing(
    home_and_entry: tuple[Server, Server], connect: Connect
) -> None:
    """The home hears of it, as it does of a poll of its own: the session is over, and says so."""
    home, entry = home_and_entry
    session = await Session.open(home, entry)
    await session.post("40")
    welcome = (await session.until(b"welcome")).decode()
    sid = json.loads(welcome.split("\x1e")[0][2:])["sid"]
    watcher = await connect(home)
    await watcher.call("join", f"watchers of {sid}")
    link = await session.start_get()
    link.cut()
    assert await watcher.next("left") == (sid, "transport error")
    assert (await session.get()).status == 400


async def test_two_polls_at_once_end_the_session(home_and_entry: tuple[Server, Server]) -> None:
    home, entry = home_and_entry
    session = await Session.joined(home, entry)
    link = await session.start_get()
    at_home = Session(home.port or 0, session.sid)
    assert (await at_home.get()).status == 400
    assert (await link.response()).body == b"1"


async def test_session_of_no_process_is_unknown_at_once(cluster: list[Server]) -> None:
    for server in cluster:
        session = await Session.open(server)
        before = await relayed(server)
        for sid in ["AAAAAAAAAA.x", "x", f"{session.sid}x", "AAAAAAAAAA.", ""]:
            response = await Session(session.port, sid).get()
            assert (response.status, response.code) == (400, 1)
            assert response.json["message"] == "Session ID unknown"
            with pytest.raises(Closed):
                await Session(session.port, sid).upgrade()
        assert await relayed(server) == before


async def test_websocket_at_the_wrong_process_is_carried_frame_by_frame(
    home_and_entry: tuple[Server, Server], connect: Connect
) -> None:
    home, entry = home_and_entry
    session = await Session.joined(home, entry)
    websocket = await session.upgrade()
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    assert (await session.get()).body == b"6"
    websocket.send("5")
    for number in range(200):
        websocket.send(f'42{number}["echo",{number}]')
    for number in range(200):
        assert await websocket.receive() == f"43{number}[{number}]"
    assert (await session.get()).status == 400
    websocket.send('451-7["echo",{"_placeholder":true,"num":0}]')
    websocket.send(bytes(range(256)) * 3000)
    assert await websocket.receive() == '461-7[{"_placeholder":true,"num":0}]'
    assert await websocket.receive() == bytes(range(256)) * 3000
    # A second one is accepted and closed; the first goes on.
    second = await session.upgrade()
    assert await second.closed() == []
    websocket.send('428["who"]')
    who = json.loads(str(await websocket.receive()).removeprefix("438"))[0]
    watcher = await connect(home)
    await watcher.call("join", f"watchers of {who['sid']}")
    websocket.cut()
    assert await watcher.next("left") == (who["sid"], "transport close")


async def test_frame_over_the_limit_closes_a_carried_websocket(
    home_and_entry: tuple[Server, Server],
) -> None:
    home, entry = home_and_entry
    session = await Session.joined(home, entry)
    websocket = await session.upgrade()
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    websocket.send("5")
    websocket.send('421["echo",1]')
    assert await websocket.receive() == "431[1]"
    websocket.send("4" + "x" * 1_000_000)
    assert await websocket.closed() == []


async def test_client_that_reads_nothing_fills_no_memory_on_the_way(
    home_and_entry: tuple[Server, Server], connect: Connect, room: str
) -> None:
    """Its home notices: the outbox there is bounded, whatever lies between."""
    home, entry = home_and_entry
    session = await Session.joined(home, entry)
    websocket = await session.upgrade()
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    websocket.send("5")
    websocket.send(f'421["join","{room}"]')
    assert await websocket.receive() == "431[null]"
    writer = await connect(home, transports=["websocket"])
    before = await _count(home, "closed.outbox")
    for _ in range(80):
        await writer.call("say", room, "x" * 500_000, {})
    assert await _count(home, "closed.outbox") == before + 1


async def _count(server: Server, name: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/counts/") as response:
        number: int = (await response.json()).get(name, 0)
        return number
