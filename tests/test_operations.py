"""Operations in one process: a real server in this event loop, stock clients, no other process."""

import ast
import asyncio
import inspect
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from django.contrib.auth.models import Group, User
from django.utils import timezone

import realtime
from realtime import (
    RealtimeError,
    SocketIOConsumer,
    acall_servers,
    acall_sockets,
    acount_sockets,
    adisconnect_sockets,
    aemit,
    afetch_nodes,
    afetch_rooms,
    afetch_sockets,
    ajoin_sockets,
    aleave_sockets,
    aroom_sizes,
    event,
    operations,
    server_event,
)
from realtime.asgi import RealtimeApplication, make_server
from realtime.exceptions import ChannelLayerError, RoomError, SyncEmitInAsyncCode
from realtime.metrics.rates import WINDOW, RoomRates
from realtime.node.followers import Follower
from realtime.node.node import ServingNode
from realtime.node.sockets import Socket
from realtime.operations import servers
from realtime.operations.paging import AT_ONCE, first_keys
from realtime.operations.readable import MAX_DATA, readable
from realtime.operations.reports import RoomKind, SocketInfo, UserInfo
from tests.live.clients import Client
from tests.ports import free_port

Connect = Callable[..., Awaitable[Client]]

GROUP = Group(pk=5, name="editors")


class Inspected(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        auth = auth or {}
        for room in auth.get("rooms", []):
            await self.join(room)
        if auth.get("group"):
            await self.join(GROUP)
        self.data.update(auth.get("data", {}))

    @event
    async def look(self) -> list[str]:
        return [socket.sid for socket in (await afetch_sockets(self.sid)).sockets]

    @event("look from a thread")
    def look_from_a_thread(self) -> int:
        return realtime.count_sockets(self.sid)


async def by_name(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The consumer behind a middleware of the project's own: the client says who it is."""
    name = (scope["auth"] or {}).get("user")
    user = {} if name is None else {"user": User(pk=len(name), username=name)}
    await Inspected.as_asgi()({**scope, **user}, receive, send)


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("only Socket.IO is asked for here")


@pytest.fixture
async def server() -> AsyncIterator[Any]:
    socketio: Any = make_server(by_name)
    port = free_port()
    web = uvicorn.Server(
        uvicorn.Config(
            RealtimeApplication(socketio, http=nothing, websocket=None),
            port=port,
            log_level="error",
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(web._serve())  # serve() takes over the signals of the process
    while not web.started:
        await asyncio.sleep(0.01)
    socketio.url = f"http://127.0.0.1:{port}"
    yield socketio
    web.should_exit = True
    await serving


@pytest.fixture
async def connect(server: Any) -> AsyncIterator[Connect]:
    clients: list[Client] = []

    async def connect(*namespaces: str, **auth: Any) -> Client:
        client = Client(server.url, namespaces or ("/",), auth=auth, transports=["websocket"])
        clients.append(client)
        await client.connect()
        return client

    yield connect
    for client in clients:
        await client.disconnect()


async def sids(to: Any = None, **options: Any) -> list[str]:
    return [socket.sid for socket in (await afetch_sockets(to, **options)).sockets]


# Sockets


async def test_socket_is_told_with_all_that_is_known_of_it(connect: Connect) -> None:
    before = timezone.now()
    data = {"page": 3}
    client = await connect("/chat", user="ada", rooms=["b", "a"], group=True, data=data)
    (socket,) = (await afetch_sockets(namespace="/chat")).sockets
    assert socket == SocketInfo(
        sid=client.sid(),
        namespace="/chat",
        rooms=("a", "b", "~auth.group:5", "~auth.user:3"),
        user=UserInfo(model="auth.user", pk="3", name="ada"),
        transport="websocket",
        address="127.0.0.1",
        since=socket.since,
        data=data,
        node=socket.node,
        outbox_messages=0,
        outbox_bytes=0,
        authentication="middleware",
    )
    # Not what its sid names: that of a namespace with recovery, as the chat's, names no node.
    assert [socket.node] == [node.id for node in (await afetch_nodes()).nodes]
    assert before - timedelta(seconds=1) <= socket.since <= timezone.now()
    assert socket.since.tzinfo is UTC


async def test_to_means_what_it_means_in_emit(connect: Connect) -> None:
    ada = await connect(user="ada", rooms=["a"])
    grace = await connect(user="grace", rooms=["a", "b"], group=True)
    other = await connect("/chat", rooms=["a"])
    both = sorted([ada.sid(), grace.sid()])
    for to, expected in [
        (None, both),
        ("a", both),
        ("b", [grace.sid()]),
        (["a", "b", grace.sid()], both),
        (ada.sid(), [ada.sid()]),
        (User(pk=3), [ada.sid()]),
        ([User(pk=3), GROUP], both),
        ([], []),
        ("nowhere", []),
        (other.sid(), []),
    ]:
        assert await sids(to) == expected
        assert await acount_sockets(to) == len(expected)
    everywhere = sorted([*both, other.sid()])
    assert await sids("a", namespace=None) == await sids(namespace=None) == everywhere


@pytest.mark.parametrize("text", ["ADA", "lobby", "127.0.0", "websock", "3"])
async def test_search_looks_into_all_that_names_a_socket(connect: Connect, text: str) -> None:
    ada = await connect(user="ada", rooms=["Lobby"])
    page = await afetch_sockets(ada.sid(), search=text)
    assert (len(page.sockets), page.total) == (1, 1)
    page = await afetch_sockets(ada.sid(), search=f"no {text}")
    assert (len(page.sockets), page.total) == (0, 0)


async def test_pages_in_any_order_are_the_whole_list(connect: Connect) -> None:
    clients = [await connect(user=name) for name in ("Carl", "ada", "Bob")]
    clients.append(await connect())
    by_age = [client.sid() for client in clients]
    for order, expected in [
        ("since", by_age),
        ("-since", by_age[::-1]),
        ("user", [by_age[1], by_age[2], by_age[0], by_age[3]]),
        ("sid", sorted(by_age)),
        ("-outbox", sorted(by_age, reverse=True)),
        ("transport", sorted(by_age)),
    ]:
        pages = [await afetch_sockets(order_by=order, offset=at, limit=3) for at in (0, 3, 6)]
        assert [socket.sid for page in pages for socket in page.sockets] == expected
        assert [len(page.sockets) for page in pages] == [3, 1, 0]
        assert {page.total for page in pages} == {4}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset": -1}, "0 or more"),
        ({"limit": -1}, "0 or more"),
        ({"limit": 10_001}, "narrow"),
        ({"offset": 9_999, "limit": 2}, "narrow"),
        ({"order_by": "name"}, "must be one of sid, user"),
        ({"order_by": "--sid"}, "must be one of sid, user"),
        ({"namespace": "chat"}, "must begin with '/'"),
        ({"search": "\ud800"}, "valid Unicode"),
        ({"timeout": 0}, "greater than 0"),
        ({"timeout": math.nan}, "greater than 0"),
        ({"to": 5}, "a room must be a string"),
    ],
)
async def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await afetch_sockets(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": "5"}, "limit must be a whole number, not str"),
        ({"offset": True}, "offset must be a whole number, not bool"),
        ({"timeout": "1"}, "timeout must be a number of seconds, not str"),
        ({"search": 5}, "search must be a string, not int: 5"),
        ({"namespace": 5}, "namespace must be a string, not int: 5"),
    ],
)
async def test_arguments_of_another_type_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        await afetch_sockets(**options)


@pytest.mark.parametrize("timeout", [0, -1, math.inf])
async def test_a_timeout_that_is_none_is_refused_about_nodes_too(timeout: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        await afetch_nodes(timeout=timeout)


# Rooms


async def rooms(**options: Any) -> list[tuple[str, int, int, int]]:
    page = await afetch_rooms(**options)
    return [(room.name, room.sockets, room.users, room.events) for room in page.rooms]


async def test_rooms_are_told_with_their_numbers(connect: Connect) -> None:
    for _ in range(2):
        await connect(user="ada", rooms=["lobby"])
    await connect(rooms=["lobby", "attic"], group=True)
    await connect("/chat", rooms=["attic"])
    for _ in range(3):
        await aemit("news", to=["lobby", "~auth.user:3"])
    await aemit("news", to="attic")
    assert await rooms(namespace="/") == [
        ("lobby", 3, 1, 3),
        ("~auth.user:3", 2, 1, 3),
        ("attic", 1, 0, 1),
        ("~auth.group:5", 1, 0, 0),
    ]
    page = await afetch_rooms()
    assert page.total == len(page.rooms) == 5
    assert [(r.namespace, r.name) for r in (await afetch_rooms(order_by="-name")).rooms] == [
        ("/", "~auth.user:3"),
        ("/", "~auth.group:5"),
        ("/", "lobby"),
        ("/chat", "attic"),
        ("/", "attic"),
    ]
    kinds: list[tuple[RoomKind, list[str]]] = [
        ("room", ["attic", "lobby"]),
        ("user", ["~auth.user:3"]),
        ("instance", ["~auth.group:5"]),
    ]
    for kind, names in kinds:
        found = (await afetch_rooms(namespace="/", kind=kind, order_by="name")).rooms
        assert [(room.name, room.kind) for room in found] == [(name, kind) for name in names]
    assert [name for name, *_ in await rooms(search="ATT", order_by="-events")] == ["attic"] * 2
    assert await aroom_sizes(["lobby", GROUP, "nowhere"]) == {"lobby": 3, GROUP: 1, "nowhere": 0}


async def test_room_pages_are_the_whole_list(connect: Connect) -> None:
    names = [f"room {number:03}" for number in range(700)]
    for start in range(0, 700, 350):
        await connect(rooms=names[start : start + 350])
    await connect(rooms=names[:10])
    for order in ("name", "-sockets", "sockets", "-events"):
        pages = [
            await afetch_rooms(order_by=order, offset=at, limit=90) for at in range(0, 720, 90)
        ]
        found = [room for page in pages for room in page.rooms]
        assert sorted(room.name for room in found) == names
        assert {page.total for page in pages} == {700}
    assert [room.name for page in [await afetch_rooms(limit=10)] for room in page.rooms] == names[
        :10
    ]
    page = await afetch_rooms(offset=9_000, limit=10)
    assert (page.rooms, page.total) == ((), 700)


async def test_bad_arguments_about_rooms_are_refused() -> None:
    with pytest.raises(ValueError, match="kind must be one of"):
        await afetch_rooms(kind="users")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be one of sockets, events, name"):
        await afetch_rooms(order_by="users")
    with pytest.raises(TypeError, match="rooms must be a list"):
        await aroom_sizes("lobby")


# Changes


async def test_sockets_join_and_leave(connect: Connect) -> None:
    ada, grace = await connect(user="ada"), await connect(rooms=["a"])
    assert (await ajoin_sockets("a", [ada.sid(), grace.sid()])).sockets == 1
    assert await acount_sockets("a") == 2
    await aemit("news", to="a")
    await ada.next("news")
    assert (await aleave_sockets("a", User(pk=3))).sockets == 1
    assert (await aleave_sockets("a")).sockets == 1
    assert (await ajoin_sockets("a", "nowhere")).sockets == 0
    assert (await aleave_sockets("a")).sockets == 0
    assert (await ajoin_sockets(GROUP)).sockets == 2
    assert (await aleave_sockets("~auth.group:5", namespace=None)).sockets == 2


async def test_sockets_in_too_many_rooms_are_counted_as_refused(
    connect: Connect, settings: Any
) -> None:
    settings.REALTIME = {"MAX_ROOMS": 2}
    await connect(rooms=["a", "b"])
    await connect(rooms=["a"])
    outcome = await ajoin_sockets("c")
    assert (outcome.sockets, outcome.refused) == (1, 1)


@pytest.mark.parametrize("room", ["~auth.user:7", "", 5])
async def test_rooms_that_nobody_may_name_are_refused(room: Any) -> None:
    with pytest.raises(RoomError):
        await ajoin_sockets(room)


async def test_disconnected_sockets_are_gone(connect: Connect) -> None:
    first, second = await connect("/", "/chat", rooms=["a"]), await connect()
    gone = first.sid()
    assert (await adisconnect_sockets("a")).sockets == 1
    assert (await adisconnect_sockets(gone)).sockets == 0
    assert await first.next("disconnect", "/") == ("server disconnect",)
    assert await sids(namespace=None) == sorted([first.sid("/chat"), second.sid()])
    assert (await adisconnect_sockets("a", namespace=None, connection=True)).sockets == 1
    await first.next("disconnect", "/chat")
    assert (await adisconnect_sockets(namespace="/")).sockets == 1
    await second.next("disconnect")
    assert await acount_sockets(namespace=None) == 0


async def test_disconnecting_everyone_has_to_be_said() -> None:
    for options in ({}, {"to": None}, {"connection": True}):
        with pytest.raises(ValueError, match="told whom"):
            await adisconnect_sockets(**options)


# Calls


async def test_call_collects_what_each_client_answers(connect: Connect) -> None:
    one, two, three = [await connect(rooms=["a"]) for _ in range(3)]
    one.on_question = lambda *args: args
    two.on_question = lambda *args: b"\x00"
    three.on_question = lambda *args: None
    result = await acall_sockets("question", 1, {"b": b"\xff"}, to="a")
    assert result.answers == {one.sid(): (1, {"b": b"\xff"}), two.sid(): b"\x00", three.sid(): None}
    assert (result.silent, result.missing) == ((), ())
    assert (await acall_sockets("question", to="nowhere")).answers == {}


class Hesitation:
    """Lets a client answer questions only when the test is over."""

    def __init__(self, client: Client) -> None:
        self.asked = asyncio.Event()
        self._over = asyncio.Event()
        client.sio.on("question", self._wait)

    async def _wait(self) -> None:
        self.asked.set()
        await self._over.wait()

    async def end(self) -> None:
        self._over.set()
        await asyncio.sleep(0)


async def test_clients_that_do_not_answer_are_named(connect: Connect, server: Any) -> None:
    good, slow, leaving = [await connect() for _ in range(3)]
    hesitations = [Hesitation(client) for client in (slow, leaving)]
    good_sid, silent = good.sid(), {slow.sid(), leaving.sid()}
    call = asyncio.create_task(acall_sockets("question", timeout=2))
    for hesitation in hesitations:
        await hesitation.asked.wait()
    await leaving.disconnect()
    result = await call
    assert list(result.answers) == [good_sid]
    assert set(result.silent) == silent
    assert all(not socket.answers for socket in server.core.namespaces.sockets.values())
    for hesitation in hesitations:
        await hesitation.end()


async def test_call_ends_when_the_last_client_left(connect: Connect) -> None:
    client = await connect()
    hesitation, sid = Hesitation(client), client.sid()
    call = asyncio.create_task(acall_sockets("question", timeout=3600))
    await hesitation.asked.wait()
    await client.disconnect()
    assert (await call).silent == (sid,)
    await hesitation.end()


@pytest.mark.parametrize("arguments", [("connect",), ("news", object()), ("news", math.nan), (5,)])
async def test_what_cannot_be_sent_is_refused_at_once(arguments: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        await acall_sockets(*arguments)


# Server events


@pytest.fixture
def undeclared() -> Iterator[None]:
    known = dict(servers._functions)
    yield
    servers._functions.clear()
    servers._functions.update(known)


@pytest.mark.usefixtures("server", "undeclared")
async def test_server_event_answers_with_what_its_function_returns() -> None:
    @server_event("add")
    async def add(one: int, two: int) -> int:
        return one + two

    @server_event("add in a thread")
    def add_in_a_thread(*numbers: int) -> tuple[int, bool]:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return sum(numbers), True

    result = await acall_servers("add", 2, 3)
    assert list(result.answers.values()) == [5]
    assert (result.failures, result.missing) == ({}, ())
    assert [*(await acall_servers("add in a thread", 1, 2, 3)).answers.values()] == [[6, True]]


@pytest.mark.usefixtures("server", "undeclared")
async def test_server_event_without_an_answer_says_why(caplog: pytest.LogCaptureFixture) -> None:
    @server_event("refuse")
    async def refuse() -> None:
        raise RealtimeError("not today")

    @server_event("crash")
    def crash() -> None:
        raise KeyError("a bug")

    @server_event("odd")
    def odd() -> object:
        return object()

    for name, text in [
        ("refuse", "not today"),
        ("crash", "KeyError: 'a bug'"),
        ("odd", "the answer is an object: send a dict"),
        ("unheard of", "another version of the app"),
    ]:
        (failure,) = (await acall_servers(name)).failures.values()
        assert text in failure
    assert [record.message for record in caplog.records if record.exc_info] == [
        "the function of the server event 'crash' raised",
        "the function of the server event 'odd' raised",
    ]


@pytest.mark.usefixtures("undeclared")
def test_server_event_has_one_function() -> None:
    @server_event("once")
    def first() -> None: ...

    with pytest.raises(ValueError, match=r"already has a function: .*first"):

        @server_event("once")
        def second() -> None: ...

    with pytest.raises(TypeError, match="needs the event's name"):
        server_event(first)  # type: ignore[arg-type]


# Where they may be used


async def test_handlers_may_use_them(connect: Connect) -> None:
    client = await connect()
    assert await client.call("look") == [client.sid()]
    assert await client.call("look from a thread") == 1


async def test_sync_twins_work_in_threads_and_are_refused_in_async_code(connect: Connect) -> None:
    client = await connect(rooms=["a"])
    page = await asyncio.to_thread(realtime.fetch_sockets, "a")
    assert [socket.sid for socket in page.sockets] == [client.sid()]
    assert (await asyncio.to_thread(realtime.disconnect_sockets, "a")).sockets == 1
    with pytest.raises(SyncEmitInAsyncCode, match="await afetch_rooms"):
        realtime.fetch_rooms()


@pytest.mark.usefixtures("real_layer")
def test_without_a_server_and_a_layer_the_error_says_what_to_do() -> None:
    with pytest.raises(ChannelLayerError, match="channels_redis"):
        realtime.count_sockets()


def test_each_operation_has_a_twin_that_takes_the_same() -> None:
    exported = {n for n, home in realtime._MODULES.items() if home.startswith("operations.")}
    names = [name for name in exported - {"server_event"} if name[0] != "a"]
    assert len(names) == 10
    for name in names:
        sync, twin = getattr(realtime, name), getattr(realtime, f"a{name}")
        assert (sync.__name__, twin.__name__) == (name, f"a{name}")
        assert sync.__signature__ == twin.__signature__


def names_of_questions(module: ModuleType) -> tuple[set[str], set[str]]:
    """The questions that a file asks, and those that it answers: the keys in its `answers`."""
    tree = ast.parse(inspect.getsource(module))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    asked = {
        argument.value
        for call in calls
        if ast.unparse(call.func).split(".")[-1] in ("ask", "replies", "details", "_change")
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    (answers,) = [node for node in tree.body if getattr(node, "name", "") == "answers"]
    keys = [key for node in ast.walk(answers) if isinstance(node, ast.Dict) for key in node.keys]
    return asked, {key.value for key in keys if isinstance(key, ast.Constant)}


@pytest.mark.parametrize(
    "noun",
    ["calls", "namespaces", "nodes", "rooms", "servers", "sockets", "steering", "users"],
)
def test_a_question_is_answered_in_the_file_that_asks_it(noun: str) -> None:
    asked, answered = names_of_questions(getattr(operations, noun))
    assert asked == answered
    assert asked


# Parts


async def test_first_keys_are_those_of_the_sorted_list() -> None:
    items = [(number * 7919) % (3 * AT_ONCE) for number in range(3 * AT_ONCE - 5)]
    keys = sorted((item,) for item in items if item % 2)
    for wanted in (0, 1, AT_ONCE, 10_000):
        for descending in (False, True):
            found = await first_keys(
                items, lambda item: (item,) if item % 2 else None, wanted, descending
            )
            assert found == (len(keys), sorted(keys, reverse=descending)[:wanted])


def test_rate_is_of_the_last_minute() -> None:
    rates = RoomRates(0.0)
    for second in range(60):
        rates.count(("/", "a"), float(second))
    assert rates.per_minute(("/", "a"), 59.0) == 60
    assert rates.per_minute(("/", "a"), WINDOW * 1.5) == 30
    assert rates.per_minute(("/", "a"), WINDOW * 2) == 0
    assert rates.per_minute(("/", "b"), WINDOW * 2) == 0
    rates.count(("/", "a"), WINDOW * 10)
    assert rates.per_minute(("/", "a"), WINDOW * 10) == 1


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError


def test_data_is_readable_whatever_it_holds() -> None:
    endless: list[Any] = []
    endless.append(endless)
    at = datetime(2024, 1, 2, tzinfo=UTC)
    data = {
        1: {2},
        "t": at,
        "d": Decimal("1.5"),
        "f": math.inf,
        ("k",): b"b",
        "u": Unspeakable(),
    }
    expected = (
        '{"1": [2], "t": "2024-01-02T00:00:00Z", "d": "1.5", "f": "inf", "(\'k\',)": "b\'b\'",'
        ' "u": "<Unspeakable, whose repr raises RuntimeError>"}'
    )
    assert readable(data) == expected
    assert len(readable({"endless": endless})) < 300
    assert len(readable(dict.fromkeys(range(MAX_DATA), "x" * MAX_DATA))) < 2 * MAX_DATA


# Who is in which groups


class Latecomer(Follower):
    """Lets a socket that is about to be accepted join one room and leave another."""

    def __init__(self, node: ServingNode) -> None:
        self._node = node

    async def confirm(self, socket: Socket) -> None:
        await self._node.enter_room(socket, "late")
        self._node.leave_room(socket, "early")


async def test_rooms_of_the_last_moment_are_heard_of_in_other_processes(
    server: Any, connect: Connect
) -> None:
    node = server.node
    stayer = await connect("/chat", rooms=["late", "early"])
    node.followers.append(Latecomer(node))
    late, early = ("/chat", "late"), ("/chat", "early")
    newcomer = await connect("/chat", rooms=["early"])
    assert await sids("late", namespace="/chat") == sorted([stayer.sid(), newcomer.sid()])
    assert await sids("early", namespace="/chat") == [stayer.sid()]
    await newcomer.disconnect()
    while len(await sids(None, namespace="/chat")) > 1:
        await asyncio.sleep(0.01)
    assert {late, early} <= set(node.cluster.memberships.needed)
    await stayer.disconnect()
    while await sids(None, namespace="/chat"):
        await asyncio.sleep(0.01)
    assert {late, early}.isdisjoint(node.cluster.memberships.needed)
