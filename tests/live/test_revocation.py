"""Users who log out, change their password, or may log in no more, on a site of two processes."""

import uuid
from collections.abc import AsyncIterator

import pytest

from tests.live.clients import Client, log_in, post
from tests.live.conftest import Connect
from tests.live.servers import Server

pytestmark = pytest.mark.redis


@pytest.fixture
async def user(cluster: list[Server]) -> AsyncIterator[str]:
    """A user of this test's own, whose password is the name."""
    name = f"u{uuid.uuid4().hex[:12]}"
    await post(f"{cluster[0].url}/change-user/", event="", args=[name, "create"])
    yield name
    await post(
        f"{cluster[0].url}/change-user/", event="", args=[name, "forget"]
    )  # others count the users


@pytest.fixture
def layer() -> str:
    return "core"


async def name_after_reconnect(client: Client) -> str:
    """Who the client is when it has come back, by itself, after it was cut off."""
    await client.next("disconnect")
    _, about = await client.next("welcome")
    name: str = about["user"]
    return name


async def joined(connect: Connect, server: Server, headers: dict[str, str]) -> Client:
    client = await connect(server, headers=headers, reconnection=True)
    await client.next("welcome")
    return client


async def test_logout_in_one_process_reaches_the_socket_of_another(
    connect: Connect, cluster: list[Server], user: str
) -> None:
    here, there = [await log_in(server.url, user) for server in cluster]
    leaving = await joined(connect, cluster[1], here)
    staying = await joined(connect, cluster[1], there)
    await post(f"{cluster[0].url}/log-out/", headers=here)
    assert await name_after_reconnect(leaving) == ""
    assert (await staying.call("who"))["user"] == user
    assert staying.waiting("disconnect") == []


@pytest.mark.parametrize("change", ["password", "deactivate", "delete"])
async def test_user_who_lost_rights_is_anonymous_after_reconnect(
    connect: Connect, cluster: list[Server], user: str, change: str
) -> None:
    headers = await log_in(cluster[0].url, user)
    clients = [await joined(connect, server, headers) for server in cluster]
    await post(f"{cluster[0].url}/change-user/", event="", args=[user, change])
    for client in clients:
        assert await name_after_reconnect(client) == ""


async def test_user_who_changed_a_name_stays_connected(
    connect: Connect, cluster: list[Server], user: str
) -> None:
    client = await joined(connect, cluster[1], await log_in(cluster[0].url, user))
    await post(f"{cluster[0].url}/change-user/", event="", args=[user, "Ada"])
    assert (await client.call("who"))["user"] == user
    assert client.waiting("disconnect") == []
