import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.conformance.raw import Link
from tests.conformance.servers import Server, run, serve
from tests.conformance.talker import Log, Talker

KINDS = ["daphne", "uvicorn-wsproto", "uvicorn-websockets-sansio"]


@pytest.fixture(autouse=True)
async def cut_links() -> AsyncIterator[None]:
    yield
    while Link.links:
        Link.links.pop().cut()


@pytest.fixture(scope="session", params=KINDS)
def calm(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server whose pings come too late to hide that it ignores an error."""
    with serve(request.param, tmp_path_factory.mktemp("calm")) as server:
        yield server


@pytest.fixture(scope="session", params=KINDS)
def brisk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with the short times of the official suites."""
    options = {
        "ping_interval": 0.3,
        "ping_timeout": 0.2,
        "upgrade_timeout": 0.5,
        "close_timeout": 0.5,
    }
    with serve(request.param, tmp_path_factory.mktemp("brisk"), **options) as server:
        yield server


def serve_talk(
    kind: str, paths: pytest.TempPathFactory, **realtime: Any
) -> AbstractContextManager[Server]:
    """The consumers of talk.py; a ping timeout comes too late to hide an ignored error."""
    options = {"PING_INTERVAL": 1.0, "PING_TIMEOUT": 60.0} | realtime
    environment = {"TALK_REALTIME": json.dumps(options)}
    return run(kind, paths.mktemp("talk"), "tests.conformance.talk:application", environment)


@pytest.fixture(scope="session", params=KINDS)
def talk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A site with consumers, whose clients are asked for a pong each second."""
    with serve_talk(request.param, tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session", params=KINDS)
def strict(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The same site with limits that a test can reach."""
    limits = {"CONNECT_TIMEOUT": 1.0, "CLOSE_TIMEOUT": 1.0, "CALL_TIMEOUT": 3, "INBOX_EVENTS": 50}
    with serve_talk(request.param, tmp_path_factory, GC_THRESHOLD=None, **limits) as server:
        yield server


@pytest.fixture(params=KINDS)
def brief(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The same site for one test alone: what it says once, it has not said yet."""
    with serve_talk(request.param, tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session", params=KINDS)
def roomy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The same site, where an event may have more attachments."""
    with serve_talk(request.param, tmp_path_factory, MAX_ATTACHMENTS=12) as server:
        yield server


@pytest.fixture(scope="session", params=KINDS)
def pinging(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The same site with a ping timeout that a test can wait for, and a client can keep."""
    times = {"PING_INTERVAL": 0.3, "PING_TIMEOUT": 2.0}
    with serve_talk(request.param, tmp_path_factory, **times) as server:
        yield server


@pytest.fixture
async def bystander(talk: Server) -> Talker:
    """Another client of the same server."""
    return await Talker.joined(talk.port)


@pytest.fixture
def log(talk: Server, bystander: Talker) -> Log:
    """What `talk` logs from now on."""
    return Log(talk)


@pytest.fixture(scope="session", params=KINDS)
def hasty(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that waits long for pongs, but not for upgrades and closings."""
    options = {"upgrade_timeout": 0.5, "close_timeout": 0.5}
    with serve(request.param, tmp_path_factory.mktemp("hasty"), **options) as server:
        yield server
