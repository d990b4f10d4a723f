"""Channels' groups reach consumers, as they reach websocket consumers; and what is not awaited."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import redis
from channels.layers import get_channel_layer

from realtime import aemit
from tests.live.conftest import Connect, Logs
from tests.live.servers import Redis, Server, eventually

NAMESPACE = "/groups"


@pytest.fixture
def group() -> str:
    """A group of this test's own."""
    return f"orders.{uuid.uuid4().hex}"


@pytest.fixture
async def websockets() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def paid(order: int) -> dict[str, Any]:
    return {"type": "order.paid", "order": order}


@pytest.mark.parametrize("how", ["enter", "enter in a thread", "enter by the layer"])
async def test_group_message_reaches_the_method_of_its_type(
    connect: Connect, server: Server, how: str, group: str
) -> None:
    member, other = await connect(server, NAMESPACE), await connect(server, NAMESPACE)
    await member.call(how, group)
    await other.call("tell", group, paid(1))
    assert await member.next("paid") == (1,)
    await other.call("tell", group, {"type": "order.counted", "order": 2})
    assert await member.next("counted") == (2, 1)
    await member.call("quit", group)
    await other.call("tell", group, paid(3))
    await other.call("tell", "greeted", paid(4))
    assert await member.next("paid") == (4,)
    assert await other.next("paid") == (4,)


async def test_group_message_may_ask_the_client_while_its_events_wait(
    connect: Connect, server: Server, group: str
) -> None:
    client = await connect(server, NAMESPACE)
    client.on_question = lambda order: f"answer {order}"
    await client.call("enter", group)
    for number in range(10):
        await client.emit("tell", group, {"type": "order.asked", "order": number})
        await client.emit("tell", group, paid(number))
    for number in range(10):
        assert await client.next("asked") == (f"answer {number}",)
        assert await client.next("paid") == (number,)
    heard = [event for event, _ in client.log if event in ("asked", "paid")]
    assert heard == ["asked", "paid"] * 10


async def test_clients_and_types_of_messages_reach_only_the_methods_for_groups(
    connect: Connect, server: Server, group: str, logs: Logs
) -> None:
    client = await connect(server, NAMESPACE)
    await client.call("enter", group)
    for event in ("order_paid", "order.paid", "socketio_told", "socketio.told"):
        assert (await client.call(event, paid(1)))["error"]["code"] == "unknown_event"
    for kind in ("secret", "emit", "close", "disconnect", "socketio.disconnect", "send", "_join"):
        await client.call("tell", group, {"type": kind, "reason": "", "room": "x"})
    await client.call("tell", group, {"no": "type"})
    await client.call("tell", group, {"type": "order.failed"})
    await client.call("tell", group, paid(2))
    assert await client.next("paid") == (2,)
    assert client.waiting("paid") == client.waiting("secret") == []
    logs.expect("there is no such order")
    logs.expect("GroupConsumer has no method secret(self, message)")


async def test_call_that_nobody_awaits_is_said_in_the_log(
    connect: Connect, server: Server, logs: Logs
) -> None:
    client = await connect(server, NAMESPACE)
    await client.call("forget")
    for verb in ("emit", "aemit", "ajoin_sockets", "enter_room"):
        logs.expect(f"{verb}() was called without await in")
    logs.expect("tests/site/groups.py, line ")


@pytest.mark.redis
@pytest.mark.usefixtures("outside")
async def test_group_spans_processes_and_kinds_of_consumers(
    connect: Connect, cluster: list[Server], group: str, websockets: aiohttp.ClientSession
) -> None:
    clients = [await connect(server, NAMESPACE) for server in cluster]
    sockets = [
        await websockets.ws_connect(f"{server.url}/ws/orders/{group}/") for server in cluster
    ]
    for client, socket in zip(clients, sockets, strict=True):
        await client.call("enter", group)
        assert await socket.receive_json() == "welcome"
    layer: Any = get_channel_layer()
    await layer.group_send(group, paid(1))
    classic = await connect(cluster[0], "/orders/classic")
    assert await classic.call("enter", group) is None
    for client, socket in zip(clients, sockets, strict=True):
        assert await client.next("paid") == (1,)
        assert await socket.receive_json() == 1
    await classic.call("pay", group, 2)
    for client, socket in zip(clients, sockets, strict=True):
        assert await client.next("paid") == (2,)
        assert await socket.receive_json() == 2
    await aemit("news", to=group, namespace="/orders/classic")
    assert await classic.next("news") == ()
    for socket in sockets:
        await socket.close()
    await layer.close_pools() if hasattr(type(layer), "close_pools") else await layer.flush()


@pytest.mark.redis
async def test_groups_are_left_by_who_leaves(
    connect: Connect, cluster: list[Server], redis_server: Redis, layer: str, group: str
) -> None:
    clients = [await connect(server, NAMESPACE) for server in cluster]
    for client in clients:
        await client.call("enter", group)
    with redis.Redis.from_url(redis_server.url) as found:

        def members() -> int:
            if layer == "core":
                return int(found.zcard(f"asgi:group:{group}"))  # type: ignore[arg-type]
            ((_, processes),) = found.pubsub_numsub(f"asgi__group__{group}")
            return int(processes)

        assert members() == 2
        for client in clients:
            await client.disconnect()
        await asyncio.to_thread(eventually, lambda: not members(), lambda: "still a member")


@pytest.mark.redis
@pytest.mark.usefixtures("outside")
async def test_one_channel_can_be_sent_to_by_its_name(
    connect: Connect, cluster: list[Server], group: str
) -> None:
    client = await connect(cluster[0], NAMESPACE)
    name = await client.call("enter by the layer", group)
    layer: Any = get_channel_layer()
    await layer.send(name, paid(1))
    assert await client.next("paid") == (1,)
    await layer.close_pools() if hasattr(type(layer), "close_pools") else await layer.flush()
