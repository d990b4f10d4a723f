"""Handlers of python-socketio's own kind, on its own API, behind the same server."""

import asyncio
from typing import Any

import pytest

from tests.live.clients import Client
from tests.live.conftest import Connect, Logs
from tests.live.servers import Server


async def test_functions_of_python_socketio(connect: Connect, server: Server) -> None:
    client = await connect(server, "/functions", headers={"User-Agent": "tests"})
    sid = client.sid()
    assert await client.next("hello") == (sid,)
    assert await client.next("entered") == (sid,)
    assert await client.call("who") == {"agent": "tests", "rooms": ["everyone", sid], "sid": sid}
    assert await client.call("users") >= 2
    assert await client.call("interview", "why") == "why"
    assert await client.call("pair", 1, 2) == (1, 2)


async def test_functions_of_python_socketio_refuse_and_disconnect(
    connect: Connect, server: Server
) -> None:
    refused = Client(server.url, ("/functions",), auth={"refuse": {"code": 7}})
    assert await refused.refused() == {"message": "not today", "data": {"code": 7}}
    await refused.disconnect()
    watcher = await connect(server, "/functions")
    client = await connect(server, "/functions")
    sid = client.sid()
    await client.emit("go")
    assert await client.next("disconnect") == ("server disconnect",)
    assert await watcher.next("gone") == (sid, "server namespace disconnect")


@pytest.mark.parametrize("namespace", ["/functions", "/classic"])
async def test_unknown_events_and_wrong_arguments_are_answered(
    connect: Connect, server: Server, namespace: str
) -> None:
    client = await connect(server, namespace)
    answer = await client.call("nothing")
    assert answer == {"error": {"code": "unknown_event", "message": "unknown event 'nothing'"}}
    event = {"/functions": "pair", "/classic": "say"}[namespace]
    message = f"unknown event '{event}s': did you mean {event!r}?"  # with DEBUG on
    assert (await client.call(f"{event}s"))["error"]["message"] == message
    for args in ((), (1,), (1, 2, 3)):
        assert (await client.call(event, *args))["error"]["code"] == "bad_arguments"


@pytest.mark.parametrize(
    ("namespace", "sender", "event", "args"),
    [
        ("/functions", "SocketIOServer", "pair", [1, 2]),
        ("/classic", "Classic", "say", ["nowhere", "one"]),
    ],
)
async def test_signals_tell_of_sockets_of_python_socketio(
    connect: Connect,
    server: Server,
    logs: Logs,
    namespace: str,
    sender: str,
    event: str,
    args: list[Any],
) -> None:
    watcher, client = await connect(server, "/functions"), await connect(server, namespace)
    sid = client.sid()
    answer = await client.call(event, *args)
    await client.call(event)
    await client.call("nothing")
    if namespace == "/functions":
        assert (await client.call("fail"))["error"]["code"] == "internal"
        logs.expect("RuntimeError: a bug")
    await client.disconnect()
    expected = [
        ["connected", sender, namespace, None],
        ["handled", sender, event, args, list(answer) if event == "pair" else answer],
        ["failed", sender, event, [], "EventError"],
        ["failed", sender, "nothing", [], "UnknownEvent"],
        *([["failed", sender, "fail", [], "RuntimeError"]] if event == "pair" else []),
        ["disconnected", sender, namespace, "client namespace disconnect"],
    ]
    async with asyncio.timeout(30):
        while len(found := await watcher.call("heard", sid)) < len(expected):
            await asyncio.sleep(0.05)
    found[-1][-1] = expected[-1][-1]  # the client closed its namespace first, or its connection
    assert found == expected


async def test_namespace_class_of_python_socketio(
    connect: Connect, server: Server, room: str
) -> None:
    first, second = await connect(server, "/classic"), await connect(server, "/classic")
    await first.call("enter", room)
    await second.call("enter", room)
    assert await first.call("say", room, "one") == "done"
    await second.call("leave", room)
    assert await first.call("say", room, "two") == "done"
    await first.call("leave", room)
    assert await second.call("say", room, "three") == "done"
    assert await first.call("users") >= 2
    await first.call("remember", "mellon")
    assert await first.call("recall") == "mellon"
    assert await second.call("recall") is None
    sid = first.sid()
    assert await second.next("said") == ({"sid": sid, "text": "one"},)
    assert second.waiting("said") == first.waiting("said") == []
    await first.disconnect()
    assert await second.next("gone") == (sid,)


async def test_namespace_class_that_returns_false_refuses(server: Server, logs: Logs) -> None:
    client = Client(f"{server.url}/?refused", ("/classic",))
    assert (await client.refused())["message"] == "Connection rejected by server"
    await client.disconnect()


@pytest.mark.redis
async def test_clients_of_the_other_process_are_reached_by_their_sids(
    connect: Connect, cluster: list[Server], room: str
) -> None:
    first, second = [await connect(server, "/functions", "/") for server in cluster]
    servers = 0
    while servers < len(cluster):  # they have just started, and get to know each other
        answer = await first.call("operate", "call_servers", ["introduce"], {}, namespace="/")
        servers = len(answer["answers"])
    sid = second.sid()
    assert await first.call("ask", sid, 1, b"\xff") == (1, b"\xff")
    await first.call("steer", "enter_room", sid, room)
    assert room in (await second.call("who"))["rooms"]
    await first.call("steer", "leave_room", sid, room)
    assert room not in (await second.call("who"))["rooms"]
    for client in (first, second):
        await client.call("steer", "enter_room", client.sid(), room)
    await first.call("steer", "close_room", room)
    for client in (first, second):
        assert room not in (await client.call("who"))["rooms"]
    await first.call("steer", "disconnect", sid)
    assert await second.next("disconnect") == ("server disconnect",)
