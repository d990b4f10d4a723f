"""Requests that reach another process than the one that holds their session."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import IO, Any

import aiohttp
import pytest
from socketio.exceptions import SocketIOError

from tests.conformance.raw import Closed, Link, Response, WebSocket, fetch, head, start
from tests.live.balancer import Balancer
from tests.live.clients import Client, post
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.nginx import Nginx
from tests.live.servers import Redis, Server, eventually
from tests.live.test_javascript import finish, run, script

pytestmark = [pytest.mark.redis, pytest.mark.usefixtures("cut_links")]

POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
BOTH = ["polling", "websocket"]
#: Under MAX_PAYLOAD with what is around it.
LARGE = 990_000
RECONNECTING = {"reconnection": True, "reconnection_delay": 0.1, "reconnection_delay_max": 0.5}


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
    return await counted(server, "relay.requests")


async def counted(server: Server, name: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/counts/") as response:
        number: int = (await response.json()).get(name, 0)
        return number


# The raw protocol


async def conversation(session: Session, origin: str) -> list[Any]:
    """Answers to all that can be asked for over polling."""
    answers = [await session.post("40")]
    # What is in the first polls has ids of this session's own.
    await session.until(b"welcome")
    answers.append(await session.post('421["echo",{"text":"läß"}]'))
    answers.append(await session.get())
    answers.append(await session.post(f'422["echo","{"x" * 3000}"]'))
    answers.append(await session.get(Accept_Encoding="gzip", Origin=origin))
    answers.append(await session.post(b'451-4["echo",{"_placeholder":true,"num":0}]\x1ebAAEC'))
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
    link = await Link.open(chunked.port)
    link.write(head("POST", chunked.path, {"Host": "x", "Transfer-Encoding": "chunked"}))
    for _ in range(11):
        link.write(b"186a0\r\n" + b"4" * 100_000 + b"\r\n")
    assert (await link.response()).status == 413
    assert (await chunked.get()).status == 400
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
        for sid in ["AAAAAAAAAA.x", "x", f"{session.sid}x", "AAAAAAAAAA."]:
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
    before = await counted(home, "refused.payload")
    websocket.send("4" + "x" * 1_000_000)
    assert await websocket.closed() == []
    assert await counted(home, "refused.payload") == before + 1


async def test_client_that_pings_and_reads_nothing_fills_no_memory_on_the_way(
    home_and_entry: tuple[Server, Server],
) -> None:
    """The entry's web server answers each ping by itself."""
    home, entry = home_and_entry
    session = await Session.joined(home, entry)
    websocket = await session.upgrade()
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    websocket.send("5")
    before = await counted(entry, "closed.outbox")
    websocket.link.writer.transport.pause_reading()  # type: ignore[attr-defined]
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(30):
            while True:
                for _ in range(1_000):
                    websocket.send_frame(0x9, b"?" * 125)
                await websocket.link.writer.drain()
    assert await counted(entry, "closed.outbox") == before + 1


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
    before = await counted(home, "closed.outbox")
    for _ in range(80):
        await writer.call("say", room, "x" * 500_000, {})
    assert await counted(home, "closed.outbox") == before + 1


# Stock clients, and no sticky sessions


@pytest.fixture(scope="module")
def own_redis(farm: Farm) -> Iterator[Redis]:
    """A Redis that the tests may restart."""
    redis = Redis(farm.folder("relay-redis"))
    farm.run(redis)
    yield redis
    farm.end(redis)


@pytest.fixture(scope="module")
def trio(farm: Farm, own_redis: Redis) -> Iterator[list[Server]]:
    # A machine that is busy with other things is no reason to give up a request.
    servers = farm.own("daphne", "uvicorn", "daphne", LIVE_REDIS=own_redis.url, LIVE_PATIENCE="20")
    yield servers
    farm.end(*servers)


@pytest.fixture(scope="module")
def nginx(farm: Farm, trio: list[Server]) -> Iterator[Nginx]:
    """Takes the three in turn, as the docs' configuration says."""
    nginx = Nginx(farm.folder("nginx"), trio)
    farm.run(nginx)
    yield nginx
    farm.end(nginx)


class Address:
    """Stands for a server: where a script is to connect to."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"


async def all_relayed(servers: list[Server]) -> int:
    return sum([await relayed(server) for server in servers])


@pytest.fixture(params=["polling", "upgrade"])
def wire(request: pytest.FixtureRequest) -> list[str]:
    return BOTH if request.param == "upgrade" else ["polling"]


@pytest.mark.nginx
@pytest.mark.node
async def test_javascript_client_behind_nginx(
    nginx: Nginx, trio: list[Server], wire: list[str], topic: str, room: str
) -> None:
    before = await all_relayed(trio)
    about = {"TRANSPORTS": ",".join(wire), "TOPIC": topic, "ROOM": room}
    await asyncio.to_thread(run, "conversation", nginx, **about)
    assert await all_relayed(trio) > before


@pytest.mark.node
async def test_javascript_client_whose_connections_go_to_each_process_in_turn(
    trio: list[Server], wire: list[str], topic: str, room: str
) -> None:
    before = await all_relayed(trio)
    about = {"TRANSPORTS": ",".join(wire), "TOPIC": topic, "ROOM": room}
    async with Balancer([server.port or 0 for server in trio]) as balancer:
        await asyncio.to_thread(run, "conversation", Address(balancer.port), **about)
    assert await all_relayed(trio) > before


@pytest.mark.nginx
async def test_python_client_behind_nginx(
    nginx: Nginx, trio: list[Server], connect: Connect, wire: list[str], topic: str
) -> None:
    before = await all_relayed(trio)
    client = await connect(nginx, topic, transports=wire)
    assert client.transport == wire[-1]
    for number in range(20):
        assert await client.call("echo", number) == number
    await client.emit("mirror", {"nested": [b"\x00\x01", None]}, "läß 🌊")
    assert await client.next("mirrored") == ({"nested": [b"\x00\x01", None]}, "läß 🌊")
    large = "x" * LARGE
    assert await client.call("echo", large) == large
    assert await client.call("echo", large.encode()[: LARGE // 2]) == large.encode()[: LARGE // 2]
    assert await client.call("interview", large, b"\xff") == {"answer": [large, b"\xff"]}
    for number in range(30):
        await client.emit("count", number)
    assert [await client.next("counted") for _ in range(30)] == [(n,) for n in range(30)]
    assert await all_relayed(trio) > before


@pytest.mark.nginx
async def test_hundred_polling_clients_hear_each_event_once(
    nginx: Nginx, trio: list[Server], connect: Connect, topic: str, room: str
) -> None:
    async def join() -> Client:
        client: Client = await connect(nginx, topic, transports=["polling"], auth={"rooms": [room]})
        return client

    clients = [await join() for _ in range(100)]
    assert len({client.sid()[1:11] for client in clients}) == 3
    answers = await asyncio.gather(*[client.call("echo", n) for n, client in enumerate(clients)])
    assert answers == list(range(100))
    order: dict[str, Any] = {"args": [], "to": room, "namespace": topic}
    for number, server in enumerate([*trio, *trio]):
        assert await post(f"{server.url}/emit/", event=f"news {number}", **order) == {}
    # Those of three processes come in any order.
    for number in range(6):
        await asyncio.gather(*[client.next(f"news {number}") for client in clients])
    for number in range(6):
        assert [client.waiting(f"news {number}") for client in clients] == [[]] * 100


# Faults


async def speaks(client: Client) -> None:
    """Wait until the client is connected and answered."""
    async with asyncio.timeout(60):
        while True:
            try:
                # What is asked as the connection breaks is never answered.
                assert await client.call("echo", 1, timeout=3) == 1
            except (SocketIOError, TimeoutError):
                await asyncio.sleep(0.1)
            else:
                return


@pytest.mark.nginx
async def test_clients_of_a_killed_process_come_back_by_themselves(
    nginx: Nginx, trio: list[Server], connect: Connect, wire: list[str], logs: Logs
) -> None:
    clients = [await connect(nginx, transports=wire, **RECONNECTING) for _ in range(6)]
    lost = clients[0].sid()[1:11]
    nodes = [(await Session.open(server)).sid[:10] for server in trio]
    server = trio[nodes.index(lost)]
    logs.tolerate()
    await asyncio.to_thread(server.kill)
    await asyncio.gather(*map(speaks, clients))
    assert all(client.sid()[1:11] != lost for client in clients)
    server.start()
    await asyncio.to_thread(server.wait)


@pytest.mark.nginx
@pytest.mark.node
async def test_javascript_client_of_a_killed_process_comes_back_by_itself(
    nginx: Nginx, trio: list[Server], wire: list[str], topic: str, logs: Logs
) -> None:
    nodes = [(await Session.open(server)).sid[:10] for server in trio]
    about = {"TRANSPORTS": ",".join(wire), "TOPIC": topic}

    def kill_its_home(output: IO[str]) -> Server:
        sid = output.readline().split()[1]
        server = trio[nodes.index(sid[1:11])]
        server.kill()
        return server

    with script("reconnect", nginx, **about) as process:
        assert process.stdout is not None
        server = await asyncio.to_thread(kill_its_home, process.stdout)
        await asyncio.to_thread(finish, process)
    server.start()
    await asyncio.to_thread(server.wait)
    logs.tolerate()


@pytest.mark.nginx
async def test_clients_outlive_a_restart_of_redis(
    nginx: Nginx,
    trio: list[Server],
    own_redis: Redis,
    connect: Connect,
    wire: list[str],
    logs: Logs,
) -> None:
    clients = [await connect(nginx, transports=wire, **RECONNECTING) for _ in range(6)]
    # After another restart the layer counts as down until the next beat.
    await asyncio.to_thread(eventually, lambda: asyncio.run(_relays(*trio[:2])), lambda: "it fails")
    session = await Session.joined(trio[0], trio[1])
    logs.tolerate()
    await asyncio.to_thread(own_redis.stop)
    refused = await session.post("3")
    assert (refused.status, refused.json["message"]) == (
        502,
        "Not relayed: the channel layer can't be reached",
    )
    own_redis.start()
    await asyncio.to_thread(own_redis.wait)
    await asyncio.gather(*map(speaks, clients))


async def _relays(home: Server, entry: Server) -> bool:
    try:
        return (await (await Session.open(home, entry)).post("40")).status == 200
    except TimeoutError:  # while the layer is on its way back a request may wait for long
        return False


async def test_home_that_hangs_is_not_waited_for(farm: Farm, own_redis: Redis, logs: Logs) -> None:
    home, entry = farm.own("daphne", "uvicorn", LIVE_REDIS=own_redis.url)
    session = await Session.joined(home, entry)
    websocket = await session.upgrade()
    home.pause()
    try:
        for response in await asyncio.gather(session.post("3"), session.get()):
            assert (response.status, response.code) == (504, 3)
            assert "did not answer in time" in response.json["message"]
        with pytest.raises(Closed):
            await session.upgrade()
    finally:
        home.resume()
    websocket.cut()
    # The poll that was given up swallows nothing: it is broken off at its home, with the session.
    await asyncio.to_thread(eventually, lambda: asyncio.run(_is_over(session)), lambda: "it lives")
    logs.expect("a request could not be relayed: the process that holds this session did not")
    farm.end(entry, home)


async def _is_over(session: Session) -> bool:
    return (await session.post("3")).status == 400


async def test_process_that_ends_lets_its_polls_go_and_their_sessions_live(
    farm: Farm, trio: list[Server], own_redis: Redis, logs: Logs
) -> None:
    (entry,) = farm.own("uvicorn", LIVE_REDIS=own_redis.url, LIVE_PATIENCE="20")
    session = await Session.joined(trio[0], entry)
    link = await session.start_get()
    carried = await Session.joined(trio[0], entry)
    websocket = await carried.upgrade()
    websocket.send("2probe")
    await websocket.expect("3probe")
    websocket.send("5")
    await asyncio.to_thread(entry.stop)
    assert (await link.response()).body == b"6"
    assert await websocket.closed() == []
    direct = Session(trio[0].port or 0, session.sid)
    assert (await direct.post('421["echo",1]')).status == 200
    assert b"431[1]" in await direct.until(b"431")


# Refusals that say what to configure


@pytest.mark.parametrize("setting", ["CHANNEL_LAYERS", "RELAY"])
async def test_refusal_says_what_to_configure(
    farm: Farm, redis_server: Redis, setting: str, logs: Logs
) -> None:
    environment = {} if setting == "CHANNEL_LAYERS" else _without_relay(redis_server)
    home, entry = farm.shared("daphne", "uvicorn", **environment)
    session = await Session.open(home, entry)
    for response in (await session.get(), await session.post("40")):
        assert (response.status, response.code) == (400, 1)
        assert setting in response.json["message"]
    with pytest.raises(Closed):
        await session.upgrade()
    session.port = home.port or 0
    assert (await session.post("40")).status == 200
    logs.expect(setting)


def _without_relay(redis: Redis) -> dict[str, str]:
    # With a prefix it is another site: those on the same Redis must not hear of it.
    return {
        "LIVE_REDIS": redis.url,
        "LIVE_RELAY": "no",
        "LIVE_LAYER_CONFIG": json.dumps({"prefix": "without-relay"}),
    }


async def test_garbage_for_a_session_that_is_none_costs_its_sender_alone(
    home_and_entry: tuple[Server, Server],
) -> None:
    """Bodies of 990 kB with the name of another process in front: eighty would fill the link."""
    home, entry = home_and_entry
    honest = await Session.joined(home, entry)
    poll = await honest.start_get()
    node = honest.sid.partition(".")[0]
    assert entry.port is not None
    path = f"{POLLING}&sid={node}.{'x' * 20}"
    links = [await start(entry.port, "POST", path, b"4" * LARGE) for _ in range(80)]
    for link in links:
        # Some are refused before they have sent all.
        response = await link.response()
        assert response.status == 400
    # The honest one's poll still waits, and its session answers.
    assert (await honest.post('421["nothing like it"]')).status == 200
    assert b"unknown_event" in (await poll.response()).body


async def test_a_large_body_reaches_its_session_in_another_process(
    home_and_entry: tuple[Server, Server],
) -> None:
    home, entry = home_and_entry
    session = await Session.joined(home, entry)
    assert (await session.post('421["nothing like it","' + "x" * LARGE + '"]')).status == 200
    assert b"unknown_event" in (await session.until(b"unknown_event"))
    assert (await session.post("42" * 600_000)).status == 413
