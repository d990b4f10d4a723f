"""A shopping list for two, end to end: tests/shopping, its clients, its tests and its types."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.servers import OPTIONS, ROOT, Process, Redis
from tests.ports import free_port
from tests.tsc import complaints

HERE = Path(__file__).parent
PEOPLE = """
from django.core.management import call_command
from django.contrib.auth.models import User
from tests.shopping.models import List
call_command("migrate", run_syncdb=True, verbosity=0)
ada, bob, eve = (User.objects.create_user(who, password="secret") for who in ("ada", "bob", "eve"))
List.objects.create(pk=7, name="food").members.set([ada, bob])
"""
REMOVE_BOB = """
from django.contrib.auth.models import User
from tests.shopping.models import List
List.objects.get(pk=7).members.remove(User.objects.get(username="bob"))
"""


class Shopping:
    """The project in a folder of its own, beside one Redis."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.shopping.settings",
            "SHOPPING_FOLDER": str(folder),
            "SHOPPING_REDIS": redis_url,
        }

    def manage(self, *arguments: str, typed: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=os.environ | self.environment,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def server(self, kind: str) -> Process:
        port = free_port()
        command = [sys.executable, "-m", kind, *OPTIONS[kind], "--port", str(port)]
        return Process(
            f"shopping-{kind}",
            [*command, "tests.shopping.asgi:application"],
            self.folder,
            port=port,
            environment=self.environment,
        )


@pytest.fixture
def shopping(tmp_path: Path, redis_server: Redis) -> Iterator[Shopping]:
    made = Shopping(tmp_path, redis_server.url)
    made.manage("shell", "--verbosity=0", typed=PEOPLE)
    yield made


@pytest.mark.redis
@pytest.mark.node
def test_list_is_private_to_two_users_and_to_no_test_run(shopping: Shopping) -> None:
    servers = [shopping.server("daphne"), shopping.server("uvicorn")]
    for server in servers:
        server.start()
    try:
        for server in servers:
            server.wait()
        _play(shopping, " ".join(f"http://127.0.0.1:{server.port}" for server in servers))
    finally:
        for server in servers:
            server.stop()


def _play(shopping: Shopping, urls: str) -> None:
    node = shutil.which("node")
    assert node, "Node is not installed: make setup brings it, WITHOUT=node does without"
    with subprocess.Popen(
        [node, HERE / "js" / "shopping.mjs"],
        env=os.environ | {"URLS": urls},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout and client.stderr
        try:
            assert client.stdout.readline() == "ready\n", client.stderr.read()
            assert "Ran 4 tests" in shopping.manage("test", "tests.shopping.cases")
            shopping.manage("shell", "--verbosity=0", typed=REMOVE_BOB)
            _, complaint = client.communicate(timeout=60)
        finally:
            client.kill()
    assert client.returncode == 0, complaint


@pytest.mark.node
def test_types_of_the_list_compile_against_the_stock_client(tmp_path: Path) -> None:
    written = str(tmp_path / "events.ts")
    Shopping(tmp_path, "redis://127.0.0.1:1").manage(
        "realtime", "schema", "--format", "typescript", "--output", written
    )
    shutil.copy(HERE / "ts" / "shopping.ts", tmp_path)
    assert complaints(tmp_path, "events.ts", "shopping.ts") == ""
