"""`daphne -t`: a poll is answered before Daphne would answer it with 503."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.live.clients import Client
from tests.live.farm import Farm
from tests.live.servers import Redis, Server

POLLING = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture(scope="module")
def impatient(farm: Farm) -> Server:
    server = Server("daphne", farm.folder("impatient"), 0, {}, ["-t", "2"])
    farm.run(server)
    return server


async def opened(web: aiohttp.ClientSession, url: str) -> str:
    """The query of a session that has joined and has nothing more to fetch."""
    async with web.get(url + POLLING) as answer:
        session = f"{POLLING}&sid={json.loads((await answer.text())[1:])['sid']}"
    async with web.post(url + session, data="40") as answer:
        assert await answer.text() == "ok"
    text = ""
    while '"welcome"' not in text:
        async with web.get(url + session) as answer:
            text = await answer.text()
    return session


async def test_poll_with_nothing_to_fetch_is_answered_in_time(impatient: Server) -> None:
    async with aiohttp.ClientSession() as web:
        session = await opened(web, impatient.url)
        for _ in range(2):
            async with web.get(impatient.url + session) as answer:
                assert (answer.status, await answer.text()) == (200, "6")


async def test_polling_client_stays_connected(impatient: Server) -> None:
    client = Client(impatient.url, ("/",), transports=["polling"])
    await client.connect()
    await asyncio.sleep(5)
    assert await client.call("who") is not None
    assert client.waiting("disconnect") == []
    await client.disconnect()


@pytest.fixture
def pair(farm: Farm, redis_server: Redis, tmp_path: Path) -> Iterator[list[Server]]:
    """The home of the session, which has time, and another process of the site, which has not."""
    environment = {"LIVE_REDIS": redis_server.url}
    servers = [
        Server("uvicorn", farm.folder("home"), 0, environment),
        Server("daphne", farm.folder("entry"), 0, environment, ["-t", "2"]),
    ]
    farm.run(*servers)
    yield servers
    farm.end(*servers)


@pytest.mark.redis
async def test_poll_that_reached_another_process_is_answered_in_its_time(
    pair: list[Server],
) -> None:
    home, entry = pair
    async with aiohttp.ClientSession() as web:
        session = await opened(web, home.url)
        async with web.get(entry.url + "/who/") as answer:  # Daphne starts with a request
            assert answer.status == 200
        for _ in range(2):
            async with web.get(entry.url + session) as answer:
                assert (answer.status, await answer.text()) == (200, "6")
