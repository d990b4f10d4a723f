"""Users who are known by a token, on real servers; what ends the login of a session ends theirs."""

import asyncio
import uuid
from typing import Any

import aiohttp
import pytest

from tests.live.clients import Client, log_in, post
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.servers import Redis, Server
from tests.live.test_javascript import run

#: What is never looked for in the time of a test: only a message can have told it.
NEVER = "1000"
ACCOUNT = "/account"


@pytest.fixture
def told(farm: Farm, redis_server: Redis) -> list[Server]:
    """Two processes that find nothing by themselves."""
    return farm.shared("daphne", "uvicorn", LIVE_REDIS=redis_server.url, LIVE_LOGIN_CHECK=NEVER)


async def new_user(server: Server) -> str:
    name = f"u{uuid.uuid4().hex[:12]}"
    await post(f"{server.url}/change-user/", event="", args=[name, "create"])
    return name


async def make_token(server: Server, kind: str, name: str, age: float = 600) -> str:
    answer = await post(f"{server.url}/make-token/", event=kind, args=[name, age])
    return str(answer["token"])


async def joined(connect: Connect, server: Server, name: str, auth: Any) -> Client:
    client: Client = await connect(server, ACCOUNT, auth=auth)
    assert await client.next("welcome") == (name,)
    return client


@pytest.mark.node
async def test_javascript_client_with_a_token(server: Server, logs: Logs) -> None:
    name = await new_user(server)
    await asyncio.to_thread(run, "token", server, NAME=name)
    await post(f"{server.url}/change-user/", event="", args=[name, "forget"])
    # A query string is in Daphne's own log, as docs/authentication.md warns.
    lines = [line for text in logs.read().values() for line in text.splitlines()]
    assert not [line for line in lines if "rt1." in line and "token=rt1." not in line]


async def test_page_of_a_login_gets_a_token_from_the_view(connect: Connect, server: Server) -> None:
    headers = await log_in(server.url, "grace")
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{server.url}/token/") as response,
    ):
        token = (await response.json())["token"]
    await joined(connect, server, "grace", {"token": token})


@pytest.mark.redis
@pytest.mark.parametrize("change", ["password", "deactivate", "delete"])
async def test_user_who_lost_rights_is_out_in_every_process(
    connect: Connect, told: list[Server], change: str
) -> None:
    name = await new_user(told[0])
    clients = [
        await joined(connect, server, name, {"token": await make_token(server, kind, name)})
        for server, kind in zip(told * 2, ["signed", "jwt", "drf", "signed"], strict=True)
    ]
    clients.append(await joined(connect, told[1], name, {"late": name}))
    staying = await joined(connect, told[1], "ada", {"late": "ada"})
    await post(f"{told[0].url}/emit/", event="news", args=[1], user=name, namespace=ACCOUNT)
    for client in clients:
        assert await client.next("news") == (1,)
    assert staying.waiting("news") == []
    assert await staying.call("online", name)
    tokens = [await make_token(server, "signed", name) for server in told]
    await post(f"{told[0].url}/change-user/", event="", args=[name, change])
    for client in clients:
        await client.next("disconnect")
    assert await staying.call("who") == "ada"
    for server, token in zip(told, tokens, strict=True):  # made while all was well
        again = Client(server.url, (ACCOUNT,), auth={"token": token})
        assert (await again.refused())["data"] == {"code": "invalid_token"}
    await post(f"{told[0].url}/change-user/", event="", args=[name, "forget"])


@pytest.mark.redis
async def test_child_of_the_user_model_is_the_user_in_every_process(
    connect: Connect, told: list[Server]
) -> None:
    name = await new_user(told[0])
    await post(f"{told[0].url}/change-user/", event="", args=[name, "employ"])
    clients = [
        await joined(connect, server, name, {"late": name, "clerk": is_clerk})
        for server in told
        for is_clerk in (True, False)
    ]
    staying = await joined(connect, told[1], "ada", {"late": "ada"})
    for server, key in zip(told, ("clerk", "user"), strict=True):
        sent = {key: name, "namespace": ACCOUNT}
        await post(f"{server.url}/emit/", event="news", args=[key], **sent)
        for client in clients:
            assert await client.next("news") == (key,)
    assert await staying.call("online", name)
    assert staying.waiting("news") == []
    await post(f"{told[0].url}/change-user/", event="", args=[name, "child"])
    for client in clients:
        await client.next("disconnect")
    await post(f"{told[0].url}/change-user/", event="", args=[name, "forget"])


@pytest.mark.redis
async def test_deleted_token_of_rest_framework_is_told_to_others(
    connect: Connect, told: list[Server]
) -> None:
    name = await new_user(told[0])
    drf, signed = [await make_token(told[0], kind, name) for kind in ("drf", "signed")]
    clients = [await joined(connect, server, name, {"token": drf}) for server in told]
    staying = await joined(connect, told[1], name, {"token": signed})
    await post(f"{told[0].url}/change-user/", event="", args=[name, "token"])
    for client in clients:
        await client.next("disconnect")
    assert await staying.call("who") == name
    again = Client(told[1].url, (ACCOUNT,), auth={"token": drf})
    assert (await again.refused())["data"] == {"code": "invalid_token"}
    await post(f"{told[0].url}/change-user/", event="", args=[name, "forget"])


@pytest.mark.redis
async def test_log_out_leaves_a_token_alone_and_expiry_a_session(
    connect: Connect, told: list[Server]
) -> None:
    headers = await log_in(told[0].url, "ada")
    token = await make_token(told[0], "signed", "ada")
    by_token = await joined(connect, told[1], "ada", {"token": token})
    by_session: Client = await connect(told[1], ACCOUNT, headers=headers)
    brief = await joined(connect, told[1], "ada", {"late": "ada", "age": 1})
    await brief.next("disconnect")
    assert await by_session.call("who") == await by_token.call("who") == "ada"
    await post(f"{told[0].url}/log-out/", headers=headers)
    await by_session.next("disconnect")
    assert await by_token.call("who") == "ada"
