"""Two sites on one Redis, and one site whose processes have settings that differ."""

import asyncio
import json
from typing import Any

import pytest

from tests.live.clients import post
from tests.live.conftest import Connect
from tests.live.farm import Farm
from tests.live.servers import Redis, Server, manage

pytestmark = pytest.mark.redis

#: What the second server has otherwise than the first.
OTHER_SITES = {
    "database of Redis": {"LIVE_REDIS": "/1", "LIVE_SECRET_KEY": "of another site"},
    "database": {"LIVE_DATABASE": "another.sqlite3"},
    "name": {"LIVE_SITE": "another"},
    "prefix": {"LIVE_LAYER_CONFIG": '{"prefix": "another"}'},
}


def environment(redis: Redis, layer: str, **other: str) -> dict[str, str]:
    address = redis.url.removesuffix("/0") + other.pop("LIVE_REDIS", "/0")
    return {"LIVE_REDIS": address, "LIVE_LAYER": layer, "LIVE_SITE": "", **other}


async def command(environment: dict[str, str], *arguments: str) -> str:
    done = await asyncio.to_thread(manage, *arguments, environment=environment)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


async def emit_from_a_command(environment: dict[str, str], event: str, room: str) -> None:
    code = f"from realtime import emit; emit({event!r}, to={room!r})"
    await command(environment, "shell", "-c", code)


async def nodes(environment: dict[str, str]) -> int:
    report = json.loads(await command(environment, "realtime", "status", "--json"))
    return len(report["nodes"])


async def start(farm: Farm, *environments: dict[str, str]) -> list[Server]:
    servers: list[Server] = []
    for kind, each in zip(("daphne", "uvicorn"), environments, strict=True):
        servers += await asyncio.to_thread(farm.own, kind, **each)
    return servers


@pytest.mark.parametrize("difference", OTHER_SITES)
async def test_sites_on_one_redis_never_hear_each_other(
    farm: Farm, redis_server: Redis, layer: str, difference: str, connect: Connect, room: str
) -> None:
    environments = [
        environment(redis_server, layer),
        environment(redis_server, layer, **OTHER_SITES[difference]),
    ]
    servers = await start(farm, *environments)
    clients = [await connect(server, auth={"rooms": [room]}) for server in servers]
    for number, server in enumerate(servers):
        await post(f"{server.url}/emit/", event=f"of server {number}", args=[], to=room)
    # By way of Redis, and so behind the events before it if those should go there as well.
    for number, each in enumerate(environments):
        await emit_from_a_command(each, f"of command {number}", room)
    for number, client in enumerate(clients):
        await client.next(f"of command {number}")
    for number, client in enumerate(clients):
        came = {event for event, _ in client.log if event.startswith("of ")}
        assert came == {f"of server {number}", f"of command {number}"}
    for each in environments:
        assert await nodes(each) == 1
    await asyncio.to_thread(farm.end, *servers)


async def test_deploy_that_rotates_the_secret_key_does_not_split_the_site(
    farm: Farm, redis_server: Redis, layer: str, connect: Connect, room: str
) -> None:
    old = environment(redis_server, layer)
    new = environment(redis_server, layer, LIVE_SECRET_KEY="a new one")
    servers = await start(farm, old, new)
    clients: list[Any] = [await connect(server, auth={"rooms": [room]}) for server in servers]
    for server in servers:
        await post(f"{server.url}/emit/", event="news", args=[server.kind], to=room)
        for client in clients:
            assert await client.next("news") == (server.kind,)
    for each in (old, new):
        assert await nodes(each) == 2
    await asyncio.to_thread(farm.end, *servers)
