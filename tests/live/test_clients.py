"""python-socketio's own client against real servers, over each transport."""

import asyncio

import pytest

from tests.live.clients import Client, log_in
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.servers import Server

NESTED = {"list": [b"\x00\x01", {"deep": b"\xff" * 3000}], "none": None, "text": "läß 🌊"}


async def test_events_and_acks_go_both_ways(
    connect: Connect, server: Server, transports: list[str], topic: str
) -> None:
    client = await connect(server, topic, transports=transports)
    assert client.transport == transports[-1]
    await client.emit("mirror", 1, "two", {"three": [3.5, True, None]})
    assert await client.next("mirrored") == (1, "two", {"three": [3.5, True, None]})
    assert await client.call("echo", "a", "b") == ("a", "b")
    assert await client.call("interview", "why", 42) == {"answer": ["why", 42]}
    assert await client.call("interview in a thread", "why") == {"answer": "why"}


async def test_binary_is_carried_in_events_and_acks(
    connect: Connect, server: Server, transports: list[str], topic: str
) -> None:
    client = await connect(server, topic, transports=transports)
    await client.emit("mirror", NESTED, b"", b"plain")
    assert await client.next("mirrored") == (NESTED, b"", b"plain")
    assert await client.call("echo", NESTED, b"x") == (NESTED, b"x")
    assert await client.call("interview", NESTED) == {"answer": NESTED}


async def test_rooms_and_skip_self(
    connect: Connect, server: Server, transports: list[str], topic: str, room: str
) -> None:
    first = await connect(server, topic, transports=transports, auth={"rooms": [room]})
    second = await connect(server, topic, transports=transports)
    third = await connect(server, topic, transports=transports)
    await second.call("join", room)
    await third.call("say", room, 1, {})
    await first.call("say", room, 2, {"skip_self": True})
    await first.call("say", [room, "another", second.sid()], 3, {"skip": [first.sid()]})
    await second.call("leave", room)
    await third.call("say", room, 4, {})
    await third.call("shout", "end", {})
    for client, expected in ((first, [1, 4]), (second, [1, 2, 3]), (third, [])):
        assert await client.next("shouted") == ("end",)
        assert [text for (text,) in client.waiting("said")] == expected


async def test_broadcast_reaches_the_namespace_and_no_other(
    connect: Connect, server: Server, topic: str
) -> None:
    clients = [await connect(server, topic) for _ in range(3)]
    stranger = await connect(server, f"{topic}x")
    await clients[0].call("shout", "all", {})
    await clients[0].call("shout", "others", {"skip_self": True})
    await clients[0].call("shout", "end", {})
    await stranger.call("shout", "end", {})
    heard = []
    for client in [*clients, stranger]:
        texts = []
        while not texts or texts[-1] != "end":
            texts += await client.next("shouted")
        heard.append(texts)
    everything = ["all", "others", "end"]
    assert heard == [["all", "end"], everything, everything, ["end"]]


async def test_several_namespaces_over_one_connection(
    connect: Connect, server: Server, transports: list[str], topic: str
) -> None:
    others = [f"{topic}-{number}" for number in range(3)]
    client = await connect(server, "/", topic, *others, transports=transports)
    answers = [await client.call("who", namespace=name) for name in client.namespaces]
    assert [answer["namespace"] for answer in answers] == ["/", topic, *others]
    assert len({answer["sid"] for answer in answers}) == 5
    await client.emit("go", namespace=topic)
    await client.next("disconnect", topic)
    assert (await client.call("who", namespace=others[0]))["namespace"] == others[0]


async def test_path_converters_fill_the_arguments_of_a_namespace(
    connect: Connect, server: Server, topic: str
) -> None:
    client = await connect(server, topic)
    kwargs, _ = await client.next("welcome")
    assert kwargs == {"topic": topic.removeprefix("/talk/")}


async def test_refused_client_hears_why(server: Server, transports: list[str], topic: str) -> None:
    reason = {"code": 7, "detail": ["a", None]}
    client = Client(server.url, (topic,), transports=transports, auth={"refuse": reason})
    assert await client.refused() == {"message": "not today", "data": reason}
    await client.disconnect()


@pytest.mark.parametrize("name", ["/nowhere", "/talk/a/b", "/talk/not a slug"])
async def test_namespace_that_nothing_serves_is_invalid(
    server: Server, transports: list[str], name: str
) -> None:
    client = Client(server.url, (name,), transports=transports)
    assert await client.refused() == {"message": "Invalid namespace"}
    await client.disconnect()


async def test_refused_namespace_leaves_the_others_alone(
    connect: Connect, server: Server, topic: str
) -> None:
    client = Client(server.url, (topic, "/nowhere"))
    await client.sio.connect(server.url, namespaces=[topic, "/nowhere"], wait=False)
    await client.next("connect")
    assert await client.call("echo", 1) == 1
    await client.disconnect()


async def test_connect_handler_that_raises_refuses_the_client(
    server: Server, logs: Logs, topic: str
) -> None:
    client = Client(server.url, (topic,), auth={"crash": True})
    assert await client.refused() == {"message": "Internal error"}
    await client.disconnect()
    logs.expect("the connect handler has a bug")


async def test_disconnect_reasons_on_both_sides(
    connect: Connect, server: Server, transports: list[str], topic: str
) -> None:
    watcher = await connect(server, topic)
    leaver = await connect(server, topic, "/", transports=transports)
    sent_away = await connect(server, topic, "/", transports=transports)
    lost = await connect(server, topic, transports=transports)
    sids = [client.sid() for client in (leaver, sent_away, lost)]
    for sid in sids:
        await watcher.call("join", f"watchers of {sid}")
    await leaver.sio.eio.send(f"1{topic},")
    assert await watcher.next("left") == (sids[0], "client namespace disconnect")
    await sent_away.emit("go")
    assert await watcher.next("left") == (sids[1], "server namespace disconnect")
    assert await sent_away.next("disconnect") == ("server disconnect",)
    await lost.disconnect()
    assert await watcher.next("left") in [
        (sids[2], "transport close"),
        (sids[2], "client namespace disconnect"),
    ]


async def test_events_of_one_socket_are_handled_in_order(
    connect: Connect, server: Server, transports: list[str], topic: str
) -> None:
    client = await connect(server, topic, transports=transports)
    for number in range(200):
        await client.emit("count", number)
    assert [await client.next("counted") for _ in range(200)] == [(n,) for n in range(200)]


@pytest.mark.parametrize("hang_up", [False, True])
async def test_python_client_takes_a_burst_by_polling(
    connect: Connect, server: Server, topic: str, hang_up: bool
) -> None:
    """It breaks off at an answer with more than 16 packets, and attachments are packets too."""
    client = await connect(server, topic, transports=["polling"])
    await client.emit("burst", 50, hang_up)
    counted = [await client.next("counted") for _ in range(50)]
    assert counted == [(number, b"attached") for number in range(50)]
    if hang_up:
        assert await client.next("disconnect") == ("server disconnect",)
    else:
        assert await client.call("echo", "still here") == "still here"


@pytest.mark.parametrize("handler", ["meet", "meet beside the ORM"])
async def test_handlers_of_two_sockets_do_not_wait_for_each_other(
    connect: Connect, server: Server, topic: str, handler: str
) -> None:
    """Each handler blocks its thread until the other's runs too."""
    first, second = await connect(server, topic), await connect(server, topic)
    answers = await asyncio.gather(first.call(handler, topic), second.call(handler, topic))
    assert len(answers) == 2
    assert all(not isinstance(answer, dict) for answer in answers)


async def test_errors_are_answered_and_the_socket_stays(
    connect: Connect, server: Server, logs: Logs, topic: str
) -> None:
    client = await connect(server, topic)
    for event, args, error in [
        ("crash", (), {"code": "internal", "message": "Internal error"}),
        ("crash in a thread", (), {"code": "internal", "message": "Internal error"}),
        ("deny", (), {"code": "forbidden", "message": "not for you", "data": {"level": 3}}),
        ("pair", (1,), {"code": "bad_arguments", "message": "'pair' takes 2 arguments, not 1"}),
        (
            "pair",
            (1, 2, 3),
            {"code": "bad_arguments", "message": "'pair' takes 2 arguments, not 3"},
        ),
        (
            "disconnect_me",
            (),
            {"code": "unknown_event", "message": "unknown event 'disconnect_me'"},
        ),
        (
            "socketio_event",
            ({},),
            {"code": "unknown_event", "message": "unknown event 'socketio_event'"},
        ),
    ]:
        assert await client.call(event, *args) == {"error": error}
    assert await client.call("pair", 1, 2) == [1, 2]
    logs.expect("the handler has a bug")
    logs.expect("the threaded handler has a bug")


async def test_session_of_a_login_is_known_to_the_socket(
    connect: Connect, server: Server, transports: list[str], topic: str
) -> None:
    headers = await log_in(server.url, "ada")
    client = await connect(server, topic, "/", transports=transports, headers=headers)
    stranger = await connect(server, topic, transports=transports)
    session = dict(part.split("=") for part in headers["Cookie"].split("; "))["sessionid"]
    for namespace in client.namespaces:
        who = await client.call("who", namespace=namespace)
        assert (who["user"], who["session"]) == ("ada", session)
    who = await stranger.call("who")
    assert (who["user"], who["session"]) == ("", None)


async def test_msgpack_instead_of_json(
    connect: Connect, farm: Farm, transports: list[str], topic: str, room: str
) -> None:
    for server in farm.shared("daphne", "uvicorn", LIVE_PARSER="msgpack"):
        client = await connect(
            server, topic, transports=transports, serializer="msgpack", auth={"rooms": [room]}
        )
        assert await client.call("echo", NESTED, 1.5, b"") == (NESTED, 1.5, b"")
        assert await client.call("interview", b"why") == {"answer": b"why"}
        await client.call("say", room, NESTED, {})
        assert await client.next("said") == (NESTED,)


async def test_client_reconnects_after_the_server_came_back(
    connect: Connect, farm: Farm, topic: str, room: str
) -> None:
    options = {"reconnection": True, "reconnection_delay": 0.1, "reconnection_delay_max": 0.5}
    servers = farm.own("daphne", "uvicorn")
    clients = [
        await connect(server, topic, auth={"rooms": [room]}, **options) for server in servers
    ]
    sids = [client.sid() for client in clients]
    for client, server in zip(clients, servers, strict=True):
        await client.next("connect")
        await asyncio.to_thread(server.stop)
        await client.next("disconnect")
        server.start()
    for client, sid in zip(clients, sids, strict=True):
        await client.next("connect")
        assert client.sid() != sid
        await client.call("say", room, "back", {})
        assert await client.next("said") == ("back",)
        await client.disconnect()
    farm.end(*servers)
