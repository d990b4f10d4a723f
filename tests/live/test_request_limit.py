"""A web server that ends by itself after so many requests: its clients leave a few at a time."""

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.clients import Client, probe
from tests.live.conftest import Connect
from tests.live.farm import Farm
from tests.live.servers import Process, Server, eventually, site_environment
from tests.ports import free_port

LIMIT = 30
CLIENTS = 6
ENVIRONMENT = {"LIVE_LOG": "INFO", "LIVE_DRAIN_BATCH": "2"}


class Gunicorn(Process):
    """One worker of uvicorn's."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        options = ["--bind", f"127.0.0.1:{port}", "--worker-class", "uvicorn_worker.UvicornWorker"]
        super().__init__(
            "gunicorn",
            [
                *(sys.executable, "-m", "gunicorn", *options, "--max-requests", str(LIMIT)),
                "tests.site.asgi:application",
            ],
            folder,
            port=port,
            environment=site_environment(ENVIRONMENT),
        )
        self.url = f"http://127.0.0.1:{port}"


def an_uvicorn(folder: Path) -> Server:
    options = ["--limit-max-requests", str(LIMIT)]
    return Server("uvicorn", folder, 0, ENVIRONMENT, options)


@pytest.mark.parametrize("make", [an_uvicorn, Gunicorn], ids=["uvicorn", "gunicorn"])
async def test_clients_leave_gradually_at_the_limit(
    farm: Farm, make: Callable[[Path], Server | Gunicorn], connect: Connect
) -> None:
    server = make(farm.folder("request-limit"))
    await asyncio.to_thread(farm.run, server)
    clients: list[Client] = [
        await connect(server, transports=["websocket"]) for _ in range(CLIENTS)
    ]
    for _ in range(LIMIT):
        await probe(f"{server.url}/who/")
    for client in clients:
        await client.next("disconnect")
    await asyncio.to_thread(
        eventually, lambda: "draining: done" in server.log.read_text(), server.log.read_text
    )
    log = server.log.read_text()
    assert f"limit of {LIMIT} requests is reached" in log
    assert f"draining: {CLIENTS} connections, 2 at a time" in log
    assert len(re.findall("draining: closing 2 connections", log)) == CLIENTS // 2
    if isinstance(server, Server):
        await asyncio.to_thread(eventually, lambda: server.ended, server.log.read_text)
    await asyncio.to_thread(farm.end, server)
