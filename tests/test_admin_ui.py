"""The consumer for the Socket.IO Admin UI: what it tells the page, and what it lets it do."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from realtime import ConnectionRefused
from realtime.admin.ui.consumer import AdminUIConsumer
from realtime.admin.ui.messages import Population, changes, serialized
from realtime.asgi import make_server
from realtime.compat.server import SocketIOServer
from realtime.node.rooms import ROAMING, new_sid
from realtime.operations.reports import SocketInfo, UserInfo
from realtime.testing import SocketIOCommunicator

pytestmark = pytest.mark.django_db(transaction=True)

VIEW = ("view_room", "view_socket", "view_node")
STEER = ("emit_room", "disconnect_room", "disconnect_socket")


class SteeringConsumer(AdminUIConsumer):
    read_only = False


@sync_to_async
def staff(*codenames: str, **fields: Any) -> User:
    user = User.objects.create_user("ann", is_staff=True, **fields)
    ours = Permission.objects.filter(content_type__app_label="realtime", codename__in=codenames)
    user.user_permissions.set(ours)
    return user


@pytest.fixture
async def server() -> AsyncIterator[SocketIOServer]:
    server = make_server()
    server.start()
    yield server
    await server.shutdown()


async def opened(consumer: type[AdminUIConsumer], user: Any) -> SocketIOCommunicator:
    page = SocketIOCommunicator(consumer, "/admin", user=user)
    await page.connect()
    return page


def socket(node: str = "node-aaaaa", **facts: Any) -> SocketInfo:
    made = SocketInfo(
        sid=new_sid(node),
        namespace="/chat",
        rooms=("lobby",),
        user=UserInfo(model="auth.user", pk="1", name="ada"),
        transport="polling",
        address="192.0.2.1",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        data={"color": "red"},
        node=node,
        outbox_messages=0,
        outbox_bytes=0,
    )
    return replace(made, **facts)


def sockets(*infos: SocketInfo) -> dict[str, dict[str, Any]]:
    return {info.sid: serialized(info) for info in infos}


# What it tells


def test_socket_is_told_without_its_headers() -> None:
    told = serialized(socket())
    assert told["data"] == {"user": "ada", "color": "red"}
    assert told["handshake"]["headers"] == {}
    assert told["handshake"]["issued"] == 1767225600000


def test_sockets_of_one_connection_are_one_client() -> None:
    one, other = socket(), socket(namespace="/")
    one, other = replace(one, siblings=(other.sid,)), replace(other, siblings=(one.sid,))
    assert serialized(one)["clientId"] == serialized(other)["clientId"]
    assert serialized(socket())["clientId"] != serialized(one)["clientId"]


def told(*messages: Any) -> list[tuple[Any, ...]]:
    """Without the times at the ends."""
    return [message[:-1] if message[0] != "socket_updated" else message for message in messages]


def test_changes_are_told_one_by_one() -> None:
    stays, goes, comes = socket(), socket(rooms=("lobby", "attic")), socket()
    moved = replace(stays, rooms=("kitchen",), transport="websocket")
    messages = changes(sockets(stays, goes), sockets(moved, comes))
    assert messages is not None
    assert told(*messages) == [
        ("socket_disconnected", "/chat", goes.sid, "gone"),
        ("room_left", "/chat", "lobby", goes.sid),
        ("room_left", "/chat", "attic", goes.sid),
        ("room_joined", "/chat", "kitchen", stays.sid),
        ("room_left", "/chat", "lobby", stays.sid),
        ("socket_updated", {"id": stays.sid, "nsp": "/chat", "transport": "websocket"}),
        ("socket_connected", serialized(comes)),
    ]
    assert changes(sockets(stays), sockets(stays)) == []


def test_namespace_keeps_its_place_when_it_is_empty() -> None:
    population = Population()
    # The sids of a namespace with recovery name no node.
    chat, shop = socket(), replace(socket(ROAMING, namespace="/shop"), node="node-aaaaa")
    nodes = {chat.sid: "node-aaaaa", shop.sid: "node-aaaaa"}
    assert population.of_node("node-aaaaa", sockets(chat, shop), nodes) == [
        {"name": "/chat", "socketsCount": 1},
        {"name": "/shop", "socketsCount": 1},
    ]
    assert population.of_node("node-aaaaa", sockets(shop), nodes) == [
        {"name": "/chat", "socketsCount": 0},
        {"name": "/shop", "socketsCount": 1},
    ]
    assert population.of_node("node-bbbbb", sockets(shop), nodes) == []


async def test_page_gets_its_features_the_sockets_and_the_servers(server: SocketIOServer) -> None:
    page = await opened(AdminUIConsumer, await staff(is_superuser=True))
    assert await page.receive_event() == ("config", {"supportedFeatures": []})
    assert await page.receive_event() == ("all_sockets", [])
    name, stats = await page.receive_event()
    assert name == "server_stats"
    assert stats["serverId"] == server.node.id
    assert stats["clientsCount"] == 0
    assert stats["uptime"] >= 0
    await page.disconnect()


# Who may what


@pytest.mark.parametrize("permissions", [(), VIEW[:2], STEER])
async def test_who_may_not_view_all_of_it_is_refused(permissions: tuple[str, ...]) -> None:
    with pytest.raises(ConnectionRefused, match="Log in to the admin"):
        await opened(AdminUIConsumer, await staff(*permissions))


async def test_who_sends_a_name_and_a_password_is_refused() -> None:
    user = await staff(is_superuser=True, password="secret")
    page = SocketIOCommunicator(
        AdminUIConsumer, "/admin", auth={"username": user.username, "password": "secret"}
    )
    with pytest.raises(ConnectionRefused):
        await page.connect()


@pytest.mark.usefixtures("server")
async def test_features_are_those_that_the_user_is_permitted() -> None:
    page = await opened(SteeringConsumer, await staff(*VIEW, "emit_room"))
    assert await page.receive_event() == ("config", {"supportedFeatures": ["EMIT"]})
    refused = await page.call("_disconnect", "/chat", False, None)
    assert refused["error"]["code"] == "forbidden"
    await page.disconnect()


COMMANDS = [
    ("emit", "/chat", None, "said", "hello"),
    ("join", "/chat", "attic", "lobby"),
    ("leave", "/chat", "lobby"),
    ("_disconnect", "/chat", False, "lobby"),
]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
async def test_read_only_page_may_do_nothing(command: tuple[Any, ...]) -> None:
    page = await opened(AdminUIConsumer, await staff(is_superuser=True))
    assert (await page.call(*command))["error"]["code"] == "forbidden"
    assert not await LogEntry.objects.aexists()
    await page.disconnect()


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
async def test_command_is_done_and_logged(command: tuple[Any, ...]) -> None:
    page = await opened(SteeringConsumer, await staff(*VIEW, *STEER))
    assert await page.call(*command) is None
    entry = await LogEntry.objects.select_related("user").aget()
    assert entry.user.username == "ann"
    assert entry.object_repr in ("everyone in /chat", "lobby in /chat")
    assert "Admin UI" in entry.change_message
    await page.disconnect()


async def test_emitted_event_reaches_its_room(server: SocketIOServer) -> None:
    heard: list[Any] = []
    server.node.members.tap("/chat", "lobby", heard.append)
    page = await opened(SteeringConsumer, await staff(*VIEW, *STEER))
    await page.call("emit", "/chat", "lobby", "said", "hello", 7)
    assert heard[0].messages == ('2/chat,["said","hello",7]',)
    await page.disconnect()


@pytest.mark.usefixtures("server")
async def test_what_can_not_be_a_room_is_the_page_s_mistake() -> None:
    page = await opened(SteeringConsumer, await staff(*VIEW, *STEER))
    for command in [
        ("join", "chat", "attic"),
        ("join", "/chat", "~auth.user:1"),
        ("emit", 1, 2, 3),
    ]:
        assert "error" in await page.call(*command)
    assert not await LogEntry.objects.aexists()
    await page.disconnect()
