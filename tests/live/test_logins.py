"""Logins that end, in every way in which they do, and the sockets that end with them.

`CHECK` is what REALTIME["LOGIN_CHECK_INTERVAL"] is here: what no message tells is found within it.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import redis as redis_py

from tests.live.clients import Client, log_in, post
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.servers import Process, Redis, Server, eventually, free_port, manage

pytestmark = pytest.mark.redis

CHECK = "2"
#: What is never looked for in the time of a test: only a message can have told it.
NEVER = "1000"


@pytest.fixture
def user() -> str:
    """A user of this test's own, whose password is the name."""
    name = f"u{uuid.uuid4().hex[:12]}"
    code = "from django.contrib.auth.models import User; User.objects.create_user({0!r}, '', {0!r})"
    done = manage("shell", "-c", code.format(name), environment={})
    assert done.returncode == 0, done.stderr
    return name


@pytest.fixture
def told(farm: Farm, redis_server: Redis) -> list[Server]:
    """Two processes that find nothing by themselves."""
    return farm.shared("daphne", "uvicorn", LIVE_REDIS=redis_server.url, LIVE_LOGIN_CHECK=NEVER)


@pytest.fixture
def looking(farm: Farm, redis_server: Redis) -> list[Server]:
    """Two processes that look often."""
    return farm.shared("daphne", "uvicorn", LIVE_REDIS=redis_server.url, LIVE_LOGIN_CHECK=CHECK)


@pytest.fixture(params=["daphne", "uvicorn"])
def alone(request: pytest.FixtureRequest, farm: Farm) -> Server:
    """A process without a layer that reaches others, which looks often."""
    servers = farm.shared("daphne", "uvicorn", LIVE_LOGIN_CHECK=CHECK)
    return servers[request.param == "uvicorn"]


async def joined(connect: Connect, server: Server, headers: dict[str, str], name: str) -> Client:
    client: Client = await connect(server, headers=headers, reconnection=True)
    _, about = await client.next("welcome")
    assert about["user"] == name
    return client


async def comes_back_as(client: Client) -> str:
    """Who the client is when it has come back, by itself, after it was cut off."""
    await client.next("disconnect")
    _, about = await client.next("welcome")
    name: str = about["user"]
    return name


async def end_session(server: Server, headers: dict[str, str], change: str) -> None:
    await post(f"{server.url}/end-session/", headers=headers, event="", args=[change])


async def change_list(server: Server, *args: str) -> int:
    pk: int = (await post(f"{server.url}/change-list/", event="", args=list(args)))["pk"]
    return pk


async def change_user(server: Server, name: str, change: str) -> None:
    await post(f"{server.url}/change-user/", event="", args=[name, change])


class Wire:
    """A websocket of Engine.IO, for what no client does by itself."""

    def __init__(self, server: Server, headers: dict[str, str]) -> None:
        self._url = f"{server.url}/socket.io/?EIO=4&transport=websocket"
        self._session = aiohttp.ClientSession(headers=headers)

    async def __aenter__(self) -> "Wire":
        self._ws = await self._session.ws_connect(self._url)
        assert (await self._ws.receive_str()).startswith("0")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.close()

    async def send(self, frame: str) -> None:
        await self._ws.send_str(frame)

    async def answer(self) -> str:
        """The next frame of Socket.IO; "closed" if there is none any more."""
        while True:
            message = await self._ws.receive(timeout=30)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return "closed"
            if message.data.startswith("4"):
                return str(message.data)


# While the client is connecting


@pytest.mark.parametrize("change", ["log-out", "deactivate", "password", "update", "raw"])
@pytest.mark.parametrize("which", [0, 1])
async def test_login_that_ends_while_connect_runs_never_joins(
    connect: Connect, told: list[Server], user: str, room: str, change: str, which: int
) -> None:
    here, there = told[which], told[1 - which]
    headers = await log_in(here.url, user)
    watcher = await connect(here, auth={"rooms": [room]})
    async with Wire(here, headers) as wire:
        await wire.send(f'40{{"gate":"{room}"}}')
        await watcher.next("at the gate")
        if change == "log-out":
            await post(f"{there.url}/log-out/", headers=headers)
        elif change == "raw":
            await end_session(there, headers, change)
        else:
            await change_user(there, user, change)
        await watcher.emit("open gate", room)
        assert await wire.answer() in ("41", "closed")


async def test_login_that_holds_while_connect_runs_joins(
    connect: Connect, told: list[Server], user: str, room: str
) -> None:
    headers = await log_in(told[0].url, user)
    watcher = await connect(told[0], auth={"rooms": [room]})
    async with Wire(told[0], headers) as wire:
        await wire.send(f'40{{"gate":"{room}"}}')
        await watcher.next("at the gate")
        await change_user(told[1], user, "Ada")
        await watcher.emit("open gate", room)
        assert (await wire.answer()).startswith('40{"sid"')
        assert user in await wire.answer()


@pytest.mark.parametrize("which", [0, 1])
async def test_client_that_is_back_before_the_session_is_flushed_is_nobody(
    connect: Connect, told: list[Server], user: str, which: int
) -> None:
    """Django tells of a log-out first, and then ends the session."""
    headers = await log_in(told[0].url, user)
    first = await joined(connect, told[which], headers, user)
    async with Wire(told[which], headers) as second:
        leaving = asyncio.create_task(post(f"{told[0].url}/log-out/?linger=5", headers=headers))
        await first.next("disconnect")
        await second.send("40")
        answers = await second.answer(), await second.answer()
        assert not leaving.done()
        assert not any(user in answer for answer in answers)
        # What was there before the log-out, and what comes later.
        assert await who(told[which], headers) == ""
        await leaving


async def who(server: Server, headers: dict[str, str]) -> str:
    client = Client(server.url, ("/",), headers=headers)
    await client.connect()
    name: str = (await client.call("who"))["user"]
    await client.disconnect()
    return name


# What ends a login


@pytest.mark.parametrize("change", ["proxy", "child"])
async def test_user_changed_by_another_model_is_told_to_others(
    connect: Connect, told: list[Server], user: str, change: str
) -> None:
    headers = await log_in(told[0].url, user)
    clients = [await joined(connect, server, headers, user) for server in told]
    await change_user(told[0], user, change)
    assert [await comes_back_as(client) for client in clients] == ["", ""]


async def test_deleted_session_is_told_to_others(
    connect: Connect, told: list[Server], user: str
) -> None:
    headers = await log_in(told[0].url, user)
    clients = [await joined(connect, server, headers, user) for server in told]
    other = await joined(connect, told[1], await log_in(told[0].url, user), user)
    await end_session(told[0], headers, "row")
    assert [await comes_back_as(client) for client in clients] == ["", ""]
    assert (await other.call("who"))["user"] == user
    assert other.waiting("disconnect") == []


async def test_session_replaced_by_another_log_in_is_told_to_others(
    connect: Connect, told: list[Server], user: str
) -> None:
    headers = await log_in(told[0].url, user)
    clients = [await joined(connect, server, headers, user) for server in told]
    await post(f"{told[0].url}/log-in-again/", headers=headers, event="", args=["grace"])
    assert [await comes_back_as(client) for client in clients] == ["", ""]


async def test_user_deactivated_in_a_shell_is_told_to_all(
    connect: Connect, told: list[Server], redis_server: Redis, user: str
) -> None:
    headers = await log_in(told[0].url, user)
    clients = [await joined(connect, server, headers, user) for server in told]
    code = (
        "from django.contrib.auth.models import User; "
        f"user = User.objects.get(username={user!r}); user.is_active = False; user.save()"
    )
    environment = {"LIVE_REDIS": redis_server.url}
    done = await asyncio.to_thread(manage, "shell", "-c", code, environment=environment)
    assert done.returncode == 0, done.stderr
    assert [await comes_back_as(client) for client in clients] == ["", ""]


@pytest.mark.parametrize("change", ["update", "raw", "expires", "emptied"])
async def test_what_no_signal_tells_is_found_by_the_look(
    connect: Connect, looking: list[Server], user: str, change: str
) -> None:
    headers = await log_in(looking[0].url, user)
    clients = [await joined(connect, server, headers, user) for server in looking]
    staying = await joined(connect, looking[1], await log_in(looking[0].url, "ada"), "ada")
    if change == "update":
        await change_user(looking[0], user, change)
    else:
        await end_session(looking[0], headers, change)
    assert [await comes_back_as(client) for client in clients] == ["", ""]
    assert (await staying.call("who"))["user"] == "ada"
    assert staying.waiting("disconnect") == []


async def test_look_needs_no_channel_layer(connect: Connect, alone: Server, user: str) -> None:
    headers = await log_in(alone.url, user)
    client = await joined(connect, alone, headers, user)
    before = await asyncio.to_thread(_counts, alone)
    await change_user(alone, user, "update")
    assert await comes_back_as(client) == ""
    after = await asyncio.to_thread(_counts, alone)
    assert after["revoked.look"] == before.get("revoked.look", 0) + 1
    assert after["closed.revoked"] == before.get("closed.revoked", 0) + 1


def _counts(server: Server) -> dict[str, Any]:
    from urllib.request import urlopen

    with urlopen(f"{server.url}/counts/") as response:
        counts: dict[str, Any] = json.load(response)
        return counts


# Engines of sessions


@pytest.mark.parametrize("engine", ["cached_db", "cache", "file", "signed_cookies"])
async def test_log_out_reaches_the_socket_of_another_process_with_each_engine(
    connect: Connect, farm: Farm, redis_server: Redis, user: str, engine: str
) -> None:
    servers = farm.own(
        "daphne",
        "uvicorn",
        LIVE_REDIS=redis_server.url,
        LIVE_LOGIN_CHECK=NEVER,
        LIVE_SESSIONS=engine,
    )
    try:
        headers = await log_in(servers[0].url, user)
        clients = [await joined(connect, server, headers, user) for server in servers]
        other = await joined(connect, servers[1], await log_in(servers[0].url, "ada"), "ada")
        await post(f"{servers[0].url}/log-out/", headers=headers)
        assert [await comes_back_as(client) for client in clients] == ["", ""]
        assert (await other.call("who"))["user"] == "ada"
        assert other.waiting("disconnect") == []
        for client in (*clients, other):
            await client.disconnect()
    finally:
        farm.end(*servers)


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_rotated_secret_key_neither_logs_out_nor_ends_the_page_s_session(
    connect: Connect, farm: Farm, redis_server: Redis, user: str, kind: str
) -> None:
    (before,) = farm.shared(kind, LIVE_REDIS=redis_server.url, LIVE_LOGIN_CHECK=NEVER)
    headers = await log_in(before.url, user)
    (server,) = farm.own(
        kind, LIVE_REDIS=redis_server.url, LIVE_LOGIN_CHECK=CHECK, LIVE_SECRET_KEY="a new one"
    )
    try:
        client = await joined(connect, server, headers, user)
        await change_user(server, user, "Ada")
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            # The page's session is there still; Django gives it a new key now.
            session.get(f"{server.url}/who/") as response,
        ):
            assert await response.json() == {"user": user}
            renewed = {"Cookie": f"sessionid={response.cookies['sessionid'].value}"}
        assert await joined(connect, server, renewed, user)
        await client.disconnect()
    finally:
        farm.end(server)


# Troubles of the layer


@pytest.fixture(params=["core", "pubsub"])
def fragile(request: pytest.FixtureRequest, farm: Farm) -> Iterator[tuple[Redis, list[Server]]]:
    """A Redis to be harmed, and two processes that never look unless they are in doubt."""
    redis = Redis(farm.folder("fragile-redis"))
    farm.run(redis)
    servers = farm.own(
        "daphne",
        "uvicorn",
        LIVE_REDIS=redis.url,
        LIVE_LAYER=request.param,
        LIVE_LOGIN_CHECK=NEVER,
        LIVE_EMIT_TIMEOUT="5",
    )
    yield redis, servers
    farm.end(*servers)
    farm.end(redis)


async def test_frozen_redis_holds_up_no_log_out_and_keeps_nobody_logged_in(
    connect: Connect, fragile: tuple[Redis, list[Server]], user: str, logs: Logs
) -> None:
    redis, servers = fragile
    headers = await log_in(servers[0].url, user)
    near = await joined(connect, servers[0], headers, user)
    far = await joined(connect, servers[1], headers, user)
    redis.pause()
    try:
        leaving = asyncio.create_task(post(f"{servers[0].url}/log-out/", headers=headers))
        done, _ = await asyncio.wait([leaving], timeout=4)
        assert done  # EMIT_TIMEOUT is 5 s, and there is nothing else that takes as long
        await near.next("disconnect")
        await far.next("disconnect")  # it looked, without a word from Redis
    finally:
        redis.resume()
    for client in (near, far):
        _, about = await client.next("welcome")
        assert about["user"] == ""
    logs.tolerate()


async def test_log_out_that_a_suspended_node_missed_ends_its_socket(
    connect: Connect,
    fragile: tuple[Redis, list[Server]],
    user: str,
    logs: Logs,
    request: pytest.FixtureRequest,
) -> None:
    redis, servers = fragile
    headers = await log_in(servers[0].url, user)
    client = await joined(connect, servers[1], headers, user)
    # What a rule has read changes meanwhile as well.
    pk = await change_list(servers[0], f"open {user}", "save")
    member: Client = await connect(
        servers[1], "/lists", headers=await log_in(servers[0].url, "ada")
    )
    assert (await member.call("room:join", f"lists.{pk}"))["room"] == f"lists.{pk}"
    before = await asyncio.to_thread(_counts, servers[1])
    servers[1].pause()
    try:
        if "pubsub" in request.node.name:
            with redis_py.Redis.from_url(redis.url) as knife:
                knife.client_kill_filter(_type="pubsub", skipme=True)
        else:
            redis.stop()
            redis.start()
            await asyncio.to_thread(redis.wait)
        await post(f"{servers[0].url}/log-out/", headers=headers)
        await change_list(servers[0], f"open {user}", "rename", user)
        # The messages are repeated after two seconds, to nobody still.
        await asyncio.sleep(4)
    finally:
        servers[1].resume()
    assert await comes_back_as(client) == ""
    assert (await member.next("room:left"))[0] == f"lists.{pk}"

    def is_counted() -> bool:
        return int(_counts(servers[1]).get("revocations.missed", 0)) > missed

    missed = int(before.get("revocations.missed", 0))
    await asyncio.to_thread(eventually, is_counted, lambda: "nothing was counted as missed")
    logs.tolerate()


# Projects of other kinds


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
@pytest.mark.parametrize("apps", ["", "django.contrib.auth,django.contrib.contenttypes"])
async def test_project_without_auth_or_sessions_serves_anonymous_sockets(
    farm: Farm, kind: str, apps: str
) -> None:
    port = free_port()
    where = ["-b", "127.0.0.1"] if kind == "daphne" else ["--host=127.0.0.1"]
    process = Process(
        f"bare-{kind}-{len(apps)}",
        [sys.executable, "-m", kind, *where, "--port", str(port), "tests.bare_site:application"],
        farm.folder("bare"),
        port=port,
        environment={"DJANGO_SETTINGS_MODULE": "tests.bare_site", "BARE_APPS": apps},
    )
    farm.run(process)
    try:
        client = Client(
            f"http://127.0.0.1:{port}", ("/",), headers={"Cookie": "sessionid=abcdefghijkl"}
        )
        await client.connect()
        assert await client.call("who") == [False, "", None]
        await client.disconnect()
    finally:
        farm.end(process)
