"""docs/deploy.md: a fresh site under each server and proxy, with Redis and PostgreSQL."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from realtime.node import rooms
from tests.conformance.raw import Closed, WebSocket, fetch
from tests.live.clients import Client
from tests.live.conftest import Logs
from tests.live.deployment import FILES, UVICORN, Postgres, Site, Unit
from tests.live.farm import Farm
from tests.live.nginx import Nginx
from tests.live.proxies import Caddy, HAProxy
from tests.live.servers import Redis, eventually
from tests.live.test_health import READY, until

pytestmark = pytest.mark.usefixtures("cut_links")

UNITS = ["realtime-daphne", "realtime-uvicorn"]
OTHERS = ["realtime-gunicorn", "realtime-hypercorn", "Dockerfile", "Procfile"]
RECONNECTING = {"reconnection": True, "reconnection_delay": 0.1, "reconnection_delay_max": 0.5}
BOTH = ["polling", "websocket"]


@pytest.fixture(scope="module")
def site(farm: Farm) -> Site:
    """Set up as docs/deploy.md says; nothing serves it yet."""
    redis, postgres = DeployedRedis(farm.folder("deploy-redis")), Postgres(farm.folder("postgres"))
    farm.run(redis, postgres)
    site = Site(farm.folder("site"), redis, postgres)
    site.manage("migrate", "--verbosity", "0")
    site.manage("collectstatic", "--no-input", "--verbosity", "0")
    return site


class DeployedRedis(Redis):
    """With the configuration of the docs; on our port and without a disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        program, *options = self._command
        self._command = [program, str(FILES / "redis.conf"), *options]


@pytest.fixture(scope="module")
def units(farm: Farm, site: Site) -> list[Unit]:
    """Two processes under Daphne, two under uvicorn."""
    folder = farm.folder("units")
    units = [Unit(name, site, folder, site.environment) for name in [*UNITS, *UNITS]]
    farm.run(*units)
    return units


@pytest.fixture(scope="module")
def nginx(farm: Farm, site: Site, units: list[Unit]) -> Iterator[Nginx]:
    nginx = Nginx(farm.folder("deploy-nginx"), units, site.folder)
    farm.run(nginx)
    yield nginx
    farm.end(nginx)


@pytest.fixture(
    params=[
        pytest.param(HAProxy, id="haproxy", marks=pytest.mark.haproxy),
        pytest.param(Caddy, id="caddy", marks=pytest.mark.caddy),
    ]
)
def proxy(
    request: pytest.FixtureRequest, farm: Farm, site: Site, units: list[Unit]
) -> Iterator[HAProxy | Caddy]:
    """A load balancer that asks whether processes are ready."""
    proxy = request.param(farm.folder("deploy-proxy"), units, site.folder)
    farm.run(proxy)
    yield proxy
    farm.end(proxy)


@pytest.fixture
def server(request: pytest.FixtureRequest, farm: Farm, site: Site, units: list[Unit]) -> Unit:
    """One more process of that site, by another command, which the test ends."""
    server = Unit(request.param, site, farm.folder("server"), site.environment)
    farm.run(server)
    return server


@pytest.mark.redis
@pytest.mark.postgres
def test_settings_pass_the_checks_for_production(site: Site) -> None:
    report = site.manage("check", "--deploy")
    found = set(re.findall(r"\w+\.[EW]\d+", report))
    # The page names the first two; the third is about the key "change-me".
    assert found == {"security.W004", "security.W008", "security.W009"}


@pytest.mark.redis
@pytest.mark.postgres
def test_settings_keep_those_of_the_project(site: Site) -> None:
    shown = site.manage(
        "shell", "--command", "from realtime.conf import settings as s; print(s.MAX_ROOMS)"
    )
    assert shown.splitlines()[-1] == "77"


@pytest.mark.redis
@pytest.mark.postgres
async def test_log_of_each_unit_has_errors_and_no_ids_of_sessions(
    units: list[Unit], logs: Logs
) -> None:
    logs.tolerate()
    for one in units[:2]:
        answer = await fetch(one.port or 0, "GET", "/", headers={"Host": "evil.example"})
        assert answer.status == 400
        client = Client(one.url, ("/",), transports=BOTH)
        await client.connect()
        await client.disconnect()
        log = one.log.read_text()
        assert "ERROR django.security.DisallowedHost: Invalid HTTP_HOST header" in log
        assert "sid=" not in log.replace("sid=...", "")


@pytest.mark.redis
@pytest.mark.nginx
@pytest.mark.postgres
async def test_site_works_behind_nginx(site: Site, units: list[Unit], nginx: Nginx) -> None:
    for one in [*units, nginx]:
        assert (await until(one.url + READY, lambda status, _: status == 200))["ready"]
    clients = [Client(nginx.url, ("/",), transports=BOTH) for _ in range(8)]
    for client in clients:
        await client.connect()
    names = [f"user {number}" for number in range(8)]
    enrolled = zip(clients, names, strict=True)
    counts = await asyncio.gather(*[client.call("enrol", name) for client, name in enrolled])
    assert max(counts) == 8
    await clients[0].emit("tell", "hello")
    assert [await client.next("told") for client in clients] == [("hello",)] * 8
    status = json.loads(site.manage("realtime", "status", "--json"))
    assert {node["pid"] for node in status["nodes"]} == {one.pid for one in units}
    for client in clients:
        await client.disconnect()


@pytest.mark.redis
@pytest.mark.nginx
@pytest.mark.postgres
async def test_static_files_and_pages_are_served(nginx: Nginx) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ["static/admin/css/base.css", "socket.io/socket.io.js", "admin/login/"]:
            async with session.get(f"{nginx.url}/{path}") as page:
                assert page.status == 200, path


@pytest.mark.redis
@pytest.mark.nginx
@pytest.mark.postgres
@pytest.mark.timeout(300)
async def test_process_is_drained_and_restarted_while_its_clients_go_on(
    site: Site, units: list[Unit], nginx: Nginx
) -> None:
    clients = [
        Client(nginx.url, ("/",), transports=["websocket"], **RECONNECTING) for _ in range(8)
    ]
    for client in clients:
        await client.connect()
        await client.next("connect")
    for one in units:
        old = f"{socket.gethostname()}:{one.pid}"
        await asyncio.to_thread(site.manage, "realtime", "drain", old, "--wait")
        await asyncio.to_thread(one.stop)  # which looks at the exit code
        one.start()
        await asyncio.to_thread(one.wait)
        await until(one.url + READY, lambda status, _: status == 200)
    gone = [client.waiting("disconnect") for client in clients]
    assert all(gone), "each process had clients"
    await asyncio.to_thread(
        eventually,
        lambda: all(client.sio.connected for client in clients),
        lambda: "not all clients came back",
    )
    for client in clients:
        await client.disconnect()


@pytest.mark.redis
@pytest.mark.postgres
async def test_site_works_behind_a_proxy_that_asks_for_readiness(
    site: Site, units: list[Unit], proxy: HAProxy | Caddy
) -> None:
    ways = [["polling"], ["websocket"], BOTH]
    clients = [Client(proxy.url, ("/",), transports=way, **RECONNECTING) for way in 3 * ways]
    for client in clients:
        await client.connect()
        await client.next("connect")
    await clients[0].emit("tell", "hello")
    assert [await client.next("told") for client in clients] == [("hello",)] * 9
    drained = rooms.node_of(clients[1].sid()) or ""
    await asyncio.to_thread(site.manage, "realtime", "drain", "--wait", "--", drained)
    try:
        await clients[1].next("disconnect")
        if isinstance(proxy, HAProxy):  # which sends to another process what a draining one refuses
            late = [Client(proxy.url, ("/",), transports=["websocket"]) for _ in range(6)]
            for client in late:
                await client.connect()
            clients += late
        await asyncio.to_thread(
            eventually,
            lambda: all(client.sio.connected for client in clients),
            lambda: "not all clients came back",
        )
    finally:
        await asyncio.to_thread(site.manage, "realtime", "drain", "--resume", "--", drained)
    assert {await client.call("address") for client in clients} == {"127.0.0.1"}
    for client in clients:
        await client.disconnect()
    log = proxy.log.read_text()
    assert "/socket.io/" in log and "sid=" not in log.replace("sid=...", "")


@pytest.mark.redis
@pytest.mark.postgres
async def test_pages_and_open_connections_stay_while_redis_is_down(
    site: Site, units: list[Unit], proxy: HAProxy | Caddy, logs: Logs
) -> None:
    logs.tolerate()  # of channels-redis
    client = Client(proxy.url, ("/",), transports=["websocket"])
    await client.connect()

    async def page() -> int:
        return (await fetch(proxy.port or 0, "GET", "/admin/login/")).status

    async def noticed() -> bool:
        """Whether the proxy knows that no process is ready."""
        if isinstance(proxy, HAProxy):
            return await page() == 200 and "realtime/any" in proxy.log.read_text()
        # Caddy's own answer has no body.
        answer = await fetch(proxy.port or 0, "GET", READY)
        return answer.status == 503 and not answer.body

    await asyncio.to_thread(site.redis.stop)
    try:
        for one in units:
            await until(one.url + READY, lambda status, _: status == 503)
        while not await noticed():
            await asyncio.sleep(0.5)
        assert {await page() for _ in units} == {200}
        assert await client.call("address") == "127.0.0.1"
    finally:
        site.redis.start()
        await asyncio.to_thread(site.redis.wait)
        for one in units:
            await until(one.url + READY, lambda status, _: status == 200)
    await client.disconnect()


@pytest.mark.redis
@pytest.mark.postgres
async def test_restart_of_the_database_fails_no_later_handler(
    site: Site, units: list[Unit]
) -> None:
    clients = [Client(one.url, ("/",), transports=["websocket"]) for one in 4 * units[:2]]
    for client in clients:
        await client.connect()

    async def enrol(kind: str) -> None:
        """All at once, so that the pool of each process has several connections."""
        named = [client.call("enrol", f"{kind} {at}") for at, client in enumerate(clients)]
        assert all(isinstance(count, int) for count in await asyncio.gather(*named))

    await enrol("before")
    await asyncio.to_thread(site.postgres.stop)
    site.postgres.start()
    await asyncio.to_thread(site.postgres.wait)
    await enrol("after")
    for client in clients:
        await client.disconnect()


@pytest.mark.redis
@pytest.mark.postgres
async def test_logs_of_the_processes_hold_no_secret_of_a_session(units: list[Unit]) -> None:
    for one in units[:2]:
        client = Client(one.url, ("/",), transports=BOTH)
        await client.connect()
        await client.call("address")
        await client.disconnect()
    daphne, uvicorn = (one.log.read_text() for one in units[:2])
    assert "sid=" not in daphne and "sid=..." in uvicorn
    assert "sid=" not in uvicorn.replace("sid=...", "")


@pytest.mark.redis
@pytest.mark.postgres
async def test_proxy_says_who_the_client_is(units: list[Unit], proxy: HAProxy | Caddy) -> None:
    liar = Client(
        proxy.url,
        ("/",),
        transports=["websocket"],
        headers={"X-Forwarded-For": "10.1.1.1", "Daphne-Root-Path": "/elsewhere"},
    )
    await liar.connect()
    assert await liar.call("address") == "127.0.0.1"
    await liar.disconnect()
    page = await fetch(proxy.port or 0, "GET", "/admin/login/")
    assert page.status == 200
    if isinstance(proxy, Caddy):
        assert (await fetch(proxy.port or 0, "GET", "/static/admin/css/base.css")).status == 200


@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.parametrize(
    "server",
    [*OTHERS, *(pytest.param(name, marks=pytest.mark.full) for name in UVICORN)],
    indirect=True,
)
async def test_site_works_under_each_command_and_ends_gracefully(
    units: list[Unit], server: Unit
) -> None:
    elsewhere = Client(units[0].url, ("/",), transports=["websocket"])
    await until(server.url + READY, lambda status, _: status == 200)
    polling, idle, at_work = [
        Client(server.url, ("/",), transports=way) for way in [["polling"], BOTH, ["websocket"]]
    ]
    for client in (elsewhere, polling, idle, at_work):
        await client.connect()
    await polling.emit("tell", "hello")
    for client in (elsewhere, polling, idle, at_work):
        assert await client.next("told") == ("hello",)
    with pytest.raises(Closed):
        await WebSocket.open(server.port or 0, headers={"Origin": "http://evil.example"})
    asked, idle_is_gone = asyncio.Event(), asyncio.Event()

    async def answer() -> str:
        asked.set()
        await idle_is_gone.wait()
        return "done"

    at_work.sio.on("question", answer)
    work = asyncio.create_task(at_work.call("work"))
    await asked.wait()
    stopping = asyncio.create_task(asyncio.to_thread(server.stop))
    await idle.next("disconnect")
    await polling.next("disconnect")
    idle_is_gone.set()
    assert await work == "done"
    await at_work.next("disconnect")
    await stopping
    await elsewhere.disconnect()
