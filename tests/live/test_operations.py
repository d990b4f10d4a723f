"""Operations over two server processes on one Redis, asked from within and from outside."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from realtime import (
    acall_servers,
    acall_sockets,
    acount_sockets,
    adisconnect_sockets,
    aemit,
    afetch_rooms,
    afetch_sockets,
    ajoin_sockets,
    aleave_sockets,
    aroom_sizes,
    call_sockets,
    fetch_sockets,
)
from realtime.node import rooms
from realtime.operations.reports import UserInfo
from realtime.operations.users import fetch_users
from tests.live.clients import Client, log_in
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.servers import Server, manage

pytestmark = [pytest.mark.redis, pytest.mark.usefixtures("outside")]

#: Seconds for nodes that are known to answer; only a silent one takes so long.
TIMEOUT = 20.0


def node_of(client: Client) -> str:
    return rooms.node_of(client.sid()) or ""


async def until_missing_is(expected: tuple[str, ...], **options: Any) -> Any:
    while True:
        count = await acount_sockets(**options)
        if count.missing == expected:
            return count
        await asyncio.sleep(0.1)


# Sockets and rooms


async def test_sockets_of_all_processes_are_one_list(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    ada = await log_in(cluster[0].url, "ada")
    clients = [
        await connect(cluster[n % 2], topic, auth={"rooms": ["all", f"room {n}"]}, headers=ada)
        for n in range(6)
    ]
    by_age = [client.sid() for client in clients]
    for order, expected in [("since", by_age), ("-sid", sorted(by_age, reverse=True))]:
        pages = [
            await afetch_sockets(
                "all", namespace=topic, order_by=order, offset=at, limit=4, timeout=TIMEOUT
            )
            for at in (0, 4, 8)
        ]
        assert [socket.sid for page in pages for socket in page.sockets] == expected
        assert [(len(page.sockets), page.total, page.missing) for page in pages] == [
            (4, 6, ()),
            (2, 6, ()),
            (0, 6, ()),
        ]
    known = pages[0].sockets[0].user
    assert known is not None
    user = User(pk=int(known.pk))
    page = await afetch_sockets(user, namespace=topic, search="ROOM 3", timeout=TIMEOUT)
    (socket,) = page.sockets
    assert (socket.sid, socket.node) == (by_age[3], node_of(clients[3]))
    assert socket.user == known == UserInfo(model="auth.user", pk=known.pk, name="ada")
    assert socket.rooms == ("all", "room 3", f"~auth.user:{user.pk}")
    assert {socket.node for socket in pages[0].sockets} == set(map(node_of, clients))


async def test_rooms_of_all_processes_are_one_list(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    ada, grace = [await log_in(cluster[0].url, name) for name in ("ada", "grace")]
    names = [f"room {n:03}" for n in range(150)]
    for server, headers in zip(cluster, [ada, grace], strict=True):
        await connect(server, topic, auth={"rooms": ["all", *names[:100]]}, headers=headers)
        await connect(server, topic, auth={"rooms": ["all"]}, headers=ada)
    await connect(cluster[1], topic, auth={"rooms": ["all", *names[50:]]})
    for _ in range(3):
        await aemit("news", to=["all", names[120]], namespace=topic)
    await acall_sockets("question", namespace=topic)  # all have had it
    options: dict[str, Any] = {"namespace": topic, "kind": "room", "timeout": TIMEOUT}
    pages = [await afetch_rooms(**options, offset=at, limit=70) for at in (0, 70, 140, 210)]
    found = [room for page in pages for room in page.rooms]
    assert {page.total for page in pages} == {151}
    assert sorted(room.name for room in found) == ["all", *names]
    assert (found[0].name, found[0].sockets, found[0].users) == ("all", 5, 2)
    sizes = Counter(dict.fromkeys(names[:100], 2)) + Counter(names[50:])
    assert {room.name: room.sockets for room in found[1:]} == sizes
    assert [room.sockets for room in found[1:]] == sorted(sizes.values(), reverse=True)
    busiest = (await afetch_rooms(**options, order_by="-events", limit=2)).rooms
    assert {(room.name, room.events) for room in busiest} == {("all", 3), (names[120], 3)}
    last = await afetch_rooms(**options, order_by="-name", offset=1, limit=2)
    assert [room.name for room in last.rooms] == ["room 148", "room 147"]
    asked = ["all", names[0], names[60], "nowhere"]
    counts = await aroom_sizes(asked, namespace=topic, timeout=TIMEOUT)
    assert counts == dict(zip(asked, [5, 2, 3, 0], strict=True))


async def test_users_of_all_processes_are_one_list(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    while await acount_sockets(namespace=None, timeout=TIMEOUT):  # those of the test before
        await asyncio.sleep(0.1)
    ada, grace = [await log_in(cluster[0].url, name) for name in ("ada", "grace")]
    first = await connect(cluster[1], topic, headers=grace)
    for number in range(3):
        await connect(cluster[number % 2], topic, headers=ada)
    await connect(cluster[0], topic)
    for options, total, expected in [
        ({}, 2, [("ada", 3), ("grace", 1)]),
        ({"order_by": "-name", "offset": 1, "limit": 1}, 2, [("ada", 3)]),
        ({"order_by": "sockets"}, 2, [("grace", 1), ("ada", 3)]),
        ({"order_by": "-sockets", "limit": 1}, 2, [("ada", 3)]),
        ({"order_by": "since"}, 2, [("grace", 1), ("ada", 3)]),
        ({"order_by": "-since"}, 2, [("ada", 3), ("grace", 1)]),
        ({"search": "GRA"}, 1, [("grace", 1)]),
    ]:
        page = await asyncio.to_thread(fetch_users, **options)
        assert [(user.name, user.sockets) for user in page.users] == expected
        assert (page.total, page.missing) == (total, ())
    (socket,) = (await afetch_sockets(first.sid(), namespace=topic, timeout=TIMEOUT)).sockets
    (user,) = (await asyncio.to_thread(fetch_users, search="grace")).users
    assert user.since == socket.since


# Changes


async def test_sockets_join_leave_and_go_wherever_they_are(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    members = [await connect(server, topic, auth={"rooms": ["a"]}) for server in cluster * 2]
    stranger = await connect(cluster[0], topic)
    options: dict[str, Any] = {"namespace": topic, "timeout": TIMEOUT}
    assert (await ajoin_sockets("b", "a", **options)).sockets == 4
    await aemit("news", 1, to="b", namespace=topic)
    for member in members:
        assert await member.next("news") == (1,)
    leaver = members[1].sid()
    assert (await aleave_sockets("b", [leaver, "nowhere"], **options)).sockets == 1
    assert (await aleave_sockets("b", leaver, **options)).sockets == 0
    group = Group(pk=17)
    assert (await ajoin_sockets(group, **options)).sockets == 5
    await aemit("news", 2, to=group, namespace=topic)
    assert await stranger.next("news") == (2,)
    assert (await adisconnect_sockets("b", **options)).sockets == 3
    for member in (members[0], *members[2:]):
        assert await member.next("disconnect") == ("server disconnect",)
    page = await afetch_sockets(**options)
    assert {socket.sid for socket in page.sockets} == {leaver, stranger.sid()}
    outcome = await adisconnect_sockets(namespace=topic, connection=True, timeout=TIMEOUT)
    assert (outcome.sockets, outcome.missing) == (2, ())
    assert await acount_sockets(**options) == 0


async def test_handlers_reach_the_other_process(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    clients = [await connect(server, topic) for server in cluster]
    both = sorted(client.sid() for client in clients)
    for client, other in zip(clients, clients[::-1], strict=True):
        for event in ("operate", "operate in a thread"):
            answer = await client.call(event, "fetch_sockets", [], {"namespace": topic})
            assert [socket["sid"] for socket in answer["sockets"]] == both
            answer = await client.call(
                event, "join_sockets", ["x", other.sid()], {"namespace": topic}
            )
            assert (answer["sockets"], answer["missing"]) == (1, [])
            answer = await client.call(event, "leave_sockets", ["x"], {"namespace": topic})
            assert answer["sockets"] == 1


async def test_operations_of_a_command(
    connect: Connect, cluster: list[Server], environment: dict[str, str], topic: str
) -> None:
    client = await connect(cluster[1], topic)
    code = f"""
from realtime import count_sockets, fetch_sockets
print(fetch_sockets(namespace={topic!r}).sockets[0].sid, count_sockets('nowhere', namespace=None))
"""
    done = await asyncio.to_thread(manage, "shell", "-v", "0", "-c", code, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [client.sid(), "0"]


# Calls


async def test_call_collects_the_answers_of_all_processes(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    clients = [await connect(cluster[n % 2], topic, auth={"rooms": ["a"]}) for n in range(4)]
    for number, client in enumerate(clients):
        client.on_question = lambda *args, number=number: {"n": number, "args": list(args)}
    never = asyncio.Event()

    async def wait() -> None:
        await never.wait()

    clients[3].sio.on("question", wait, namespace=topic)
    result = await asyncio.to_thread(
        call_sockets, "question", "läß", b"\xff", to="a", namespace=topic, timeout=2
    )
    assert result.answers == {
        client.sid(): {"n": number, "args": ["läß", b"\xff"]}
        for number, client in enumerate(clients[:3])
    }
    assert (result.silent, result.missing) == ((clients[3].sid(),), ())
    never.set()


async def test_servers_answer_to_server_events(
    connect: Connect, cluster: list[Server], logs: Logs
) -> None:
    clients = [await connect(server) for server in cluster]
    nodes = {node_of(client) for client in clients}
    users = 2  # of conftest.py
    result = await acall_servers("introduce", 1, {"b": b"\x00"}, timeout=TIMEOUT)
    assert result.answers == {
        node: {"node": node, "args": [1, {"b": b"\x00"}], "users": users} for node in nodes
    }
    assert await clients[0].call("operate in a thread", "call_servers", ["introduce"], {}) == {
        "answers": {node: {"node": node, "args": [], "users": users} for node in nodes},
        "failures": {},
        "missing": [],
    }
    failing = node_of(clients[1])
    result = await acall_servers("fail on a node", failing, timeout=TIMEOUT)
    assert result.failures == {failing: "RuntimeError: only here"}
    assert result.answers == {node_of(clients[0]): "well"}
    logs.expect("RuntimeError: only here")
    result = await acall_servers("unheard of", timeout=TIMEOUT)
    assert result.failures.keys() == nodes


# Nodes that are silent, or gone


async def test_suspended_node_is_missing_until_it_is_back(
    connect: Connect, farm: Farm, environment: dict[str, str], topic: str
) -> None:
    servers = await asyncio.to_thread(farm.own, "daphne", "uvicorn", **environment)
    clients = [await connect(server, topic) for server in servers]
    silent = node_of(clients[1])
    options: dict[str, Any] = {"namespace": topic}
    assert await until_missing_is((), **options) == 2
    servers[1].pause()
    count = await until_missing_is((silent,), **options, timeout=1)
    assert count == 1
    assert (await adisconnect_sockets(clients[1].sid(), **options, timeout=1)).missing == (silent,)
    answer = await clients[0].call("operate", "fetch_rooms", [], {"timeout": 1})
    assert answer["missing"] in ([silent], [])  # as soon as its lease is over it is no node
    servers[1].resume()
    await clients[1].next("disconnect")  # the question waited for it
    while await acount_sockets(**options) != 1:
        await asyncio.sleep(0.1)
    await asyncio.to_thread(farm.end, *servers)


async def test_killed_node_is_forgotten(
    connect: Connect, farm: Farm, environment: dict[str, str], topic: str
) -> None:
    servers = await asyncio.to_thread(farm.own, "daphne", "uvicorn", **environment)
    clients = [await connect(server, topic, auth={"rooms": ["a"]}) for server in servers]
    gone, sid = node_of(clients[1]), clients[1].sid()
    servers[1].kill()
    await until_missing_is((), namespace=topic)
    page = await afetch_sockets("a", namespace=topic)
    assert ([socket.sid for socket in page.sockets], page.total) == ([clients[0].sid()], 1)
    assert [room.sockets for room in (await afetch_rooms(namespace=topic)).rooms] == [1]
    # Nobody says for sure that a sid of the dead is nowhere; but it takes no longer than asked.
    outcome = await adisconnect_sockets(sid, namespace=topic, timeout=0.5)
    assert (outcome.sockets, outcome.missing) in ((0, (gone,)), (0, ()))
    await asyncio.to_thread(farm.end, *servers)


# All of it at once


async def test_what_operations_say_is_what_a_count_says(
    connect: Connect, cluster: list[Server], topic: str
) -> None:
    """Random changes from outside, beside a model of them; then both are compared."""
    chance = random.Random(4)
    clients = [await connect(cluster[n % 2], topic, transports=["websocket"]) for n in range(12)]
    members: dict[str, set[str]] = {client.sid(): set() for client in clients}
    options: dict[str, Any] = {"namespace": topic, "timeout": TIMEOUT}
    names = ["a", "b", "c"]
    for _ in range(60):
        verb, room = (
            chance.choice([ajoin_sockets, ajoin_sockets, aleave_sockets]),
            chance.choice(names),
        )
        to: Any = chance.choice([None, chance.choice(names), chance.sample(list(members), 2)])
        chosen = [
            sid
            for sid, joined in members.items()
            if (to is None and (verb is ajoin_sockets or room in joined))
            or (isinstance(to, str) and to in joined)
            or (isinstance(to, list) and sid in to)
        ]
        changed = [sid for sid in chosen if (room in members[sid]) is (verb is aleave_sockets)]
        assert (await verb(room, to, **options)).sockets == len(changed)
        for sid in changed:
            (members[sid].discard if verb is aleave_sockets else members[sid].add)(room)
    for sid in chance.sample(list(members), 4):
        assert (await adisconnect_sockets(sid, **options)).sockets == 1
        del members[sid]
    page = await asyncio.to_thread(fetch_sockets, **options)
    assert {socket.sid: set(socket.rooms) for socket in page.sockets} == members
    sizes = Counter(room for of in members.values() for room in of)
    found = (await afetch_rooms(**options)).rooms
    assert {room.name: room.sockets for room in found} == sizes
    for room in names:
        await aemit("end", room, to=room, namespace=topic)
    answers = (await acall_sockets("question", **options)).answers  # all have had it
    assert answers.keys() == members.keys()
    heard = {
        client.sio.get_sid(topic): {room for (room,) in client.waiting("end")}
        for client in clients
        if topic in client.sio.namespaces
    }
    assert heard == members
