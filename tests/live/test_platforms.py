"""Systems without fork and /proc, such as Windows: realtime is imported, serves, and ends."""

import os
import subprocess
import sys

import pytest

from realtime.metrics import process
from tests.live.clients import Client
from tests.live.farm import Farm
from tests.live.servers import OPTIONS, ROOT, Process, site_environment
from tests.ports import free_port

WITHOUT_FORK = [sys.executable, "-m", "tests.site.without_fork"]


def test_every_module_is_imported_without_fork() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    done = subprocess.run(
        WITHOUT_FORK, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_server_without_fork_serves_and_ends(farm: Farm, kind: str) -> None:
    port = free_port()
    server = Process(
        f"{kind}-without-fork",
        [
            *WITHOUT_FORK,
            kind,
            *OPTIONS[kind],
            "--port",
            str(port),
            "tests.site.asgi:application",
        ],
        farm.folder(kind),
        port=port,
        environment=site_environment({}),
    )
    farm.run(server)
    client = Client(f"http://127.0.0.1:{port}", ("/",))
    await client.connect()
    await client.disconnect()
    farm.end(server)


def test_memory_is_0_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.memory() > 0
    monkeypatch.delattr(os, "sysconf")
    assert process.memory() == 0
