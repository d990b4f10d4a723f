"""docs/tutorial: all pages one after the other, and the two processes of the last one."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import socketio
from socketio.exceptions import ConnectionError as ConnectionRefused

from .follower import Follower
from .live.servers import Process, Redis
from .ports import free_port

PAGES = ["1-live-list", "2-users", "3-rooms-and-rules", "4-tests", "5-deploy"]


class Deployed(Follower):
    """Who follows the pages on a machine where the printed ports may be taken."""

    def __init__(self, folder: Path, redis: str) -> None:
        super().__init__(folder)
        self._redis = redis
        self._ports: dict[str, int] = {}
        self.processes: list[Process] = []

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self._ports.values()]

    def start(self, commands: list[str]) -> None:
        """Start what a block of commands starts, each on a port of this test's own."""
        for command in commands:
            program, *options = command.split()
            printed = options[options.index("-p") + 1]
            port = self._ports[printed] = free_port()
            options[options.index("-p") + 1] = str(port)
            process = Process(
                f"{program}-{printed}",
                [sys.executable, "-m", program, *options],
                self.folder.parent,
                port=port,
                environment=self.environment,
                cwd=self.folder,
            )
            process.start()
            self.processes.append(process)
        for process in self.processes:
            process.wait()

    def run(self, *command: str) -> str:
        self.environment["REDIS_URL"] = self._redis
        for printed, port in self._ports.items():
            command = tuple(part.replace(f":{printed}", f":{port}") for part in command)
        return super().run(*command)


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    (tmp_path / "redis").mkdir()
    redis = Redis(tmp_path / "redis")
    redis.start()
    redis.wait()
    deployed = Deployed(tmp_path, redis.url)
    yield deployed
    for process in deployed.processes:
        process.terminate()
    for process in [*deployed.processes, redis]:
        process.stop()


@pytest.mark.redis
def test_two_processes_of_the_last_page_are_one_site(deployed: Deployed) -> None:
    for page in PAGES:
        deployed.serve = deployed.start if page == "5-deploy" else None
        deployed.follow(f"docs/tutorial/{page}.md")
    assert len(deployed.urls) == 2
    asyncio.run(_refused_by_both(deployed))
    assert not any("Traceback" in process.news() for process in deployed.processes)


async def _refused_by_both(deployed: Deployed) -> None:
    """Whoever is not logged in is told so by each process."""
    for url in deployed.urls:
        told: list[dict[str, str]] = []
        client = socketio.AsyncClient(reconnection=False)
        client.on("connect_error", told.append, namespace="/lists")
        with pytest.raises(ConnectionRefused):
            await client.connect(url, namespaces=["/lists"])
        assert [error["message"] for error in told] == ["Log in first."]
