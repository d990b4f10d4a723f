"""docs/deploy.md: a fresh site under the unit files, with nginx, Redis and PostgreSQL."""

import asyncio
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from realtime.conf import DEFAULTS
from tests.live.clients import Client
from tests.live.deployment import FILES, Postgres, Site, Unit, link_python, unit, unit_text
from tests.live.farm import Farm
from tests.live.nginx import Nginx
from tests.live.servers import Redis, eventually
from tests.live.test_health import READY, until

UNITS = ["realtime-daphne", "realtime-uvicorn"]
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


@pytest.mark.parametrize("name", UNITS)
def test_units_give_a_process_the_time_that_its_drain_takes(name: str) -> None:
    service = unit(name)["Service"]
    _, _, seconds = service["ExecStart"].partition("--timeout-graceful-shutdown ")
    graceful = int(seconds.split()[0]) if seconds else 0
    assert int(service["TimeoutStopSec"]) > DEFAULTS["DRAIN_TIMEOUT"] + 1 + graceful
    assert service["KillSignal"] == "SIGTERM"


@pytest.mark.parametrize("name", UNITS)
def test_units_are_valid(name: str, tmp_path: Path) -> None:
    link_python(tmp_path)
    (tmp_path / f"{name}@.service").write_text(unit_text(name, tmp_path))
    assert {"Unit", "Service", "Install"} == set(unit(name).sections())
    if shutil.which("systemd-analyze"):  # it reads what it verifies, and needs no systemd to run
        command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / f"{name}@8001.service")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.redis
@pytest.mark.postgres
def test_settings_pass_the_checks_for_production(site: Site) -> None:
    report = site.manage("check", "--deploy")
    assert "security.W004" in report  # HSTS, which is the proxy's here: the checks did run
    assert "realtime." not in report


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
