"""The stock JavaScript client in Node against real servers. What it does is in js/*.mjs."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.live.clients import log_in
from tests.live.farm import Farm
from tests.live.servers import ENDS_WITHIN, Server

pytestmark = pytest.mark.node

SCRIPTS = Path(__file__).parent / "js"
MSGPACK_BUILD = "socket.io.msgpack.min.js"


class Addressed(Protocol):
    """What has an address to connect to, a server for instance."""

    url: str


@contextlib.contextmanager
def script(
    name: str, server: Addressed, *, scripts: Path = SCRIPTS, **environment: str
) -> Iterator["subprocess.Popen[str]"]:
    """A script that runs beside the test, and is ended with it."""
    node = shutil.which("node")
    assert node, "Node is not installed: make setup brings it, WITHOUT=node does without"
    with subprocess.Popen(
        [node, str(scripts / f"{name}.mjs")],
        env=os.environ | {"SERVER": server.url} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(process: "subprocess.Popen[str]") -> str:
    """Wait until the script has ended well; return what it printed."""
    output, _ = process.communicate(timeout=ENDS_WITHIN)
    assert process.returncode == 0, output
    return output


def run(name: str, server: Addressed, **environment: str) -> str:
    with script(name, server, **environment) as process:
        return finish(process)


@pytest.fixture
def wire(transports: list[str], topic: str) -> dict[str, str]:
    """For the script: what to connect to, and how."""
    return {"TRANSPORTS": ",".join(transports), "TOPIC": topic}


def test_conversation(server: Server, wire: dict[str, str], room: str) -> None:
    run("conversation", server, ROOM=room, **wire)


def test_conversation_in_msgpack(farm: Farm, wire: dict[str, str], room: str) -> None:
    for server in farm.shared("daphne", "uvicorn", LIVE_PARSER="msgpack"):
        run("conversation", server, ROOM=room, BUILD=MSGPACK_BUILD, **wire)


def test_values_of_the_stock_msgpack_parser(farm: Farm, wire: dict[str, str]) -> None:
    for server in farm.shared("daphne", "uvicorn", LIVE_PARSER="msgpack"):
        run("parser", server, **wire)


def test_habits_of_the_stock_client(server: Server, wire: dict[str, str]) -> None:
    run("habits", server, **wire)


def test_refusals_and_disconnect_reasons(server: Server, wire: dict[str, str]) -> None:
    run("refusals", server, **wire)


async def test_session_of_a_login_is_known_to_the_socket(
    server: Server, wire: dict[str, str]
) -> None:
    cookie = (await log_in(server.url, "grace"))["Cookie"]
    output = await asyncio.to_thread(run, "session", server, COOKIE=cookie, **wire)
    assert json.loads(output)["user"] == "grace"


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_client_reconnects_after_the_server_came_back(
    farm: Farm, kind: str, wire: dict[str, str]
) -> None:
    (server,) = farm.own(kind)
    with script("reconnect", server, **wire) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("connected ")
        server.stop()
        server.start()
        finish(process)
    farm.end(server)


def test_subprotocols_that_a_client_offers_are_answered(
    server: Server, transports: list[str]
) -> None:
    output = run("protocols", server, TRANSPORTS=",".join(transports))
    assert json.loads(output) == "heard"
