"""Emits from every kind of process and code, to clients of two server processes on one Redis."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
import redis.asyncio
from celery import Celery

from realtime import emit
from realtime.node import publisher
from tests.live.clients import Client, log_in, post
from tests.live.conftest import Connect
from tests.live.farm import Farm
from tests.live.layer_servers import LayerServer, addresses
from tests.live.servers import CeleryWorker, Server, WSGIWorker, manage

pytestmark = pytest.mark.redis

NESTED = {"list": [b"\x00\xff", {"deep": b"\x01" * 3000}], "text": "läß 🌊"}


@pytest.fixture
async def listeners(connect: Connect, cluster: list[Server], room: str) -> list[Client]:
    """A client of each server process, in the room."""
    return [await connect(server, auth={"rooms": [room]}) for server in cluster]


async def emit_outside(event: str, *args: Any, **options: Any) -> None:
    """Emit from this process, which has no server."""
    await asyncio.to_thread(emit, event, *args, **options)


async def heard(listeners: list[Client], event: str, *args: Any) -> None:
    for listener in listeners:
        assert await listener.next(event) == args


# Where an emit may come from


@pytest.mark.parametrize("view", ["emit", "aemit", "thread"])
async def test_emit_from_a_view(
    cluster: list[Server], listeners: list[Client], room: str, view: str
) -> None:
    for server in cluster:
        answer = await post(f"{server.url}/{view}/", event="news", args=[server.kind], to=room)
        assert answer == {}
        await heard(listeners, "news", server.kind)


async def test_emit_from_a_signal_receiver(
    cluster: list[Server], listeners: list[Client], room: str
) -> None:
    await post(f"{cluster[0].url}/save/", event="saved", args=[room])
    await heard(listeners, "saved", room)


async def test_emit_on_commit_leaves_with_the_commit(
    cluster: list[Server], listeners: list[Client], room: str
) -> None:
    url = cluster[0].url
    await post(f"{url}/roll-back/", event="rolled back", args=[], to=room)
    await post(f"{url}/commit/", event="committed", args=[1], to=room)
    for listener in listeners:
        await listener.next("committed")
        assert [event for event, _ in listener.log[-3:]] == ["welcome", "before", "committed"]


@pytest.mark.parametrize(
    ("way", "events"),
    [
        ("plain", [("plain", ())]),
        ("threads", [("thread", (0,)), ("thread", (1,)), ("thread", (2,))]),
        ("loops", [("loop", (0,)), ("loop", (1,)), ("loop", (2,))]),
        ("fork", [("parent", (1,)), ("child", (1,)), ("child", (2,)), ("parent", (2,))]),
    ],
)
async def test_emit_from_a_management_command(
    environment: dict[str, str], listeners: list[Client], room: str, way: str, events: Any
) -> None:
    command = asyncio.to_thread(manage, "site_emit", way, room, environment=environment)
    done = await command
    assert (done.returncode, done.stderr) == (0, "")
    for listener in listeners:
        for event, _ in events:
            await listener.next(event)
        came = [entry for entry in listener.log if entry[0] in dict(events)]
        # Threads run in any order; what one thread emits stays in its own.
        assert (sorted(came) if way == "threads" else came) == events


async def test_emit_from_the_shell(
    environment: dict[str, str], listeners: list[Client], room: str
) -> None:
    code = f"from realtime import emit; emit('news', 1, to={room!r})"
    done = await asyncio.to_thread(manage, "shell", "-c", code, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    await heard(listeners, "news", 1)


async def test_emit_from_a_wsgi_worker(
    farm: Farm, environment: dict[str, str], listeners: list[Client], room: str
) -> None:
    worker = WSGIWorker(farm.folder("wsgi"), environment)
    await asyncio.to_thread(farm.run, worker)
    for view in ("emit", "aemit", "thread"):
        await post(f"{worker.url}/{view}/", event="news", args=[view], to=room)
        await heard(listeners, "news", view)
    await asyncio.to_thread(farm.end, worker)


async def test_emit_from_celery_workers(
    farm: Farm,
    redis_server: LayerServer,
    environment: dict[str, str],
    listeners: list[Client],
    room: str,
) -> None:
    pools = ["prefork", "solo"]
    broker = addresses(redis_server)[0]
    environment = environment | {"LIVE_BROKER": broker}
    workers = [CeleryWorker(pool, farm.folder(pool), environment) for pool in pools]
    await asyncio.to_thread(farm.run, *workers)
    app = Celery(broker=broker, set_as_current=False)
    for pool in pools * 2:
        with app.connection_for_write() as connection:
            options = {"queue": pool, "connection": connection, "ignore_result": True}
            app.send_task("emit", args=["news", pool], kwargs={"to": room}, **options)
        await heard(listeners, "news", pool)
        with app.connection_for_write() as connection:
            options["connection"] = connection
            kwargs = {"to": room, "durable": True}
            app.send_task("emit", args=["saved", pool], kwargs=kwargs, **options)
        for listener in listeners:
            assert (await listener.next("saved"))[0] == pool
    app.close()
    await asyncio.to_thread(farm.end, *workers)


# Whom it reaches


async def test_emit_from_a_handler_reaches_the_other_process(
    listeners: list[Client], room: str
) -> None:
    first, second = listeners
    await first.call("say", room, NESTED, {"skip_self": True})
    assert await second.next("said") == (NESTED,)
    await second.call("shout", "end", {})
    await heard(listeners, "shouted", "end")
    assert first.waiting("said") == []


@pytest.mark.usefixtures("outside")
async def test_binary_is_carried_between_processes(listeners: list[Client], room: str) -> None:
    await emit_outside("news", NESTED, b"", b"\xff", to=room)
    await heard(listeners, "news", NESTED, b"", b"\xff")


@pytest.mark.usefixtures("outside")
async def test_socket_in_two_of_the_rooms_gets_one_copy(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    in_both = [await connect(server, topic, auth={"rooms": ["a", "b"]}) for server in cluster]
    in_one = [await connect(server, topic, auth={"rooms": ["b"]}) for server in cluster]
    in_none = [await connect(server, topic) for server in cluster]
    await emit_outside("news", 1, to=["a", "b", in_both[0].sid()], namespace=topic)
    await emit_outside("news", 2, to=["a", in_none[1].sid()], namespace=topic)
    await emit_outside("news", 3, to=["b"], skip=in_one[0].sid(), namespace=topic)
    await emit_outside("end", namespace=topic)
    for client, expected in [
        *[(client, [1, 2, 3]) for client in in_both],
        (in_one[0], [1]),
        (in_one[1], [1, 3]),
        (in_none[0], []),
        (in_none[1], [2]),
    ]:
        await client.next("end")
        assert [number for (number,) in client.waiting("news")] == expected


async def test_emit_to_a_sid_of_the_other_process(
    cluster: list[Server], listeners: list[Client]
) -> None:
    for sender, receiver in [(0, 1), (1, 0), (0, 0)]:
        sid = listeners[receiver].sid()
        url = cluster[sender].url
        await post(f"{url}/emit/", event="news", args=[sid], to=sid)
        assert await listeners[receiver].next("news") == (sid,)
    assert [listener.waiting("news") for listener in listeners] == [[], []]


async def test_emit_to_a_user_reaches_all_sockets_of_that_user(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    ada, grace = [await log_in(cluster[0].url, name) for name in ("ada", "grace")]
    adas = [await connect(server, topic, headers=ada) for server in cluster]
    others = [await connect(server, topic, headers=grace) for server in cluster]
    others.append(await connect(cluster[0], topic))
    for server in cluster:
        order = {"event": "news", "args": [server.kind], "namespace": topic}
        await post(f"{server.url}/emit/", **order, user="ada")
        await heard(adas, "news", server.kind)
    await post(f"{cluster[0].url}/emit/", event="end", args=[], namespace=topic)
    for other in others:
        await other.next("end")
        assert other.waiting("news") == []


NAMES = [
    *["a:b", "a_b", "a.b", "a-b", "a/b", "a b", "ab", "A:B", "a:b ", "a*b", "a?b", "[ab]"],
    *[
        "é",
        "e\u0301",
        "房间",
        "🎉",
        "🎉🎉",
        "👩‍👩‍👧",
        "\n",
        "\x00",
        "realtime.room",
        "asgi:group:a",
    ],
    *["x" * 200, "x" * 199, "x" * 199 + "y", "🎉" * 200],
]


@pytest.mark.usefixtures("outside")
async def test_room_names_are_never_mixed_up(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    members = [
        await connect(cluster[number % 2], topic, auth={"rooms": [name]}, transports=["websocket"])
        for number, name in enumerate(NAMES)
    ]
    for name in NAMES:
        await emit_outside("news", name, to=name, namespace=topic)
    await emit_outside("end", namespace=topic)
    for name, member in zip(NAMES, members, strict=True):
        await member.next("end")
        assert member.waiting("news") == [(name,)]


@pytest.mark.usefixtures("outside")
async def test_namespaces_are_never_mixed_up(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    """Nor where one name ends and the other begins: "/a" and "bc" are not "/ab" and "c"."""
    pairs = [(topic, "bc"), (f"{topic}b", "c"), (f"{topic}bc", ""), (f"{topic}bc", "bc")]
    members = [
        await connect(cluster[n % 2], namespace, auth={"rooms": [room] if room else []})
        for n, (namespace, room) in enumerate(pairs)
    ]
    for n, (namespace, room) in enumerate(pairs):
        await emit_outside("news", n, to=room or None, namespace=namespace)
    for namespace in {namespace for namespace, _ in pairs}:
        await emit_outside("end", namespace=namespace)
    for n, member in enumerate(members):
        await member.next("end")
        assert member.waiting("news") == ([(2,), (3,)] if n == 3 else [(n,)])


# What it costs


async def messages_on_redis(
    server: LayerServer, layer: str, event: str, members: list[Client]
) -> int:
    """How many messages Redis hands to processes for one event, until all members have it."""
    async with AsyncExitStack() as stack:
        clients, monitors = [], []
        for address in addresses(server):
            clients.append(await stack.enter_async_context(redis.asyncio.from_url(address)))
            monitors.append(await stack.enter_async_context(clients[-1].monitor()))
        await emit_outside(event, to=event)
        for member in members:
            await member.next(event)
        carrying = []
        for client, monitor in zip(clients, monitors, strict=True):
            await client.echo(f"end of {event}")
            while (entry := await monitor.next_command())["command"] != f"ECHO end of {event}":
                if f'"{event}' in entry["command"].replace("\\", ""):
                    carrying.append(entry)
        if layer == "core":
            # A script puts a copy into the queue of each process.
            return sum(
                entry["client_type"] == "lua" and entry["command"].startswith("ZADD")
                for entry in carrying
            )
        assert [entry["command"].split()[0] for entry in carrying] == ["PUBLISH"]
        channel = f"asgi__group__{publisher.publisher().bus.group(('/', event))}"
        counts = [await client.pubsub_numsub(channel) for client in clients]
        return sum(int(subscribers) for ((_, subscribers),) in counts)


@pytest.mark.usefixtures("outside")
async def test_emit_is_one_message_for_each_process_with_members(
    connect: Connect, redis_server: LayerServer, layer: str, cluster: list[Server], room: str
) -> None:
    name = room.replace(" ", "")
    options = {"auth": {"rooms": [name]}, "transports": ["websocket"]}
    members = [await connect(cluster[0], **options) for _ in range(20)]
    await connect(cluster[1])
    assert await messages_on_redis(redis_server, layer, name, members) == 1
    members += [await connect(cluster[1], **options) for _ in range(5)]
    assert await messages_on_redis(redis_server, layer, name, members) == 2


# What is refused


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "argument",
    [object(), {1, 2}, {"deep": [lambda: None]}, float("nan"), [float("inf")], {b"key": 1}],
    ids=["object", "set", "function", "nan", "infinity", "bytes key"],
)
async def test_what_cannot_be_sent_is_refused_at_once(
    listeners: list[Client], room: str, argument: Any
) -> None:
    with pytest.raises((TypeError, ValueError)):
        await emit_outside("news", "good", argument, to=room)
    with pytest.raises((TypeError, ValueError)):
        await emit_outside("news", argument, to=room, on_commit=True, fail_silently=True)
    await emit_outside("end", to=room)
    for listener in listeners:
        await listener.next("end")
        assert listener.waiting("news") == []


async def test_emit_in_an_async_view_is_refused(
    cluster: list[Server], listeners: list[Client], room: str
) -> None:
    url = cluster[0].url
    answer = await post(f"{url}/emit-in-async-view/", event="news", args=[1], to=room)
    assert answer["error"] == "SyncEmitInAsyncCode"
    assert "aemit" in answer["message"]
    await post(f"{url}/emit/", event="end", args=[], to=room)
    for listener in listeners:
        await listener.next("end")
        assert listener.waiting("news") == []
