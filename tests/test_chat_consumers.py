"""The chat's two consumers, each with a client in process."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User

from chat.consumers import NAMESPACE, ChatConsumer, LobbyConsumer
from chat.models import Announcement, Membership, Message, Room
from realtime import ConnectionRefused
from realtime.testing import SocketIOCommunicator, real_layer

pytestmark = pytest.mark.django_db(transaction=True)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def room() -> Room:
    return Room.objects.create(name="General")


@pytest.fixture
async def client(ada: User, room: Room) -> AsyncIterator[SocketIOCommunicator]:
    """Ada's page, before it has opened a room."""
    communicator = SocketIOCommunicator(ChatConsumer, NAMESPACE, user=ada)
    await communicator.connect()
    yield communicator
    await communicator.disconnect()


@pytest.fixture
async def lobby() -> AsyncIterator[SocketIOCommunicator]:
    communicator = SocketIOCommunicator(LobbyConsumer, user=AnonymousUser())
    await communicator.connect()
    yield communicator
    await communicator.disconnect()


def code_of(answer: Any) -> str:
    code: str = answer["error"]["code"]
    return code


async def test_chat_refuses_who_is_not_logged_in() -> None:
    stranger = SocketIOCommunicator(ChatConsumer, NAMESPACE, user=AnonymousUser())
    with pytest.raises(ConnectionRefused):
        await stranger.connect()


async def test_socket_hears_of_each_room_that_its_user_has_joined(ada: User, room: Room) -> None:
    await Membership.objects.acreate(room=room, user=ada)
    client = SocketIOCommunicator(ChatConsumer, NAMESPACE, user=ada)
    await client.connect()
    assert f"~chat.room:{room.pk}" in client.rooms
    await client.disconnect()


async def test_opening_a_room_joins_it_and_gives_what_was_missed(
    client: SocketIOCommunicator, ada: User, room: Room
) -> None:
    messages = [
        await Message.objects.acreate(room=room, author=ada, text=str(number))
        for number in range(3)
    ]
    answer = await client.call("open", {"room": "general", "after": messages[0].pk})
    assert [message["text"] for message in answer["messages"]] == ["1", "2"]
    assert answer["more"] is False
    assert f"~chat.room:{room.pk}" in client.rooms
    assert await Membership.objects.filter(room=room, user=ada).aexists()


async def test_message_is_answered_and_emitted_to_the_others(
    client: SocketIOCommunicator, room: Room
) -> None:
    await client.call("open", {"room": "general", "after": 0})
    sent = {"room": "general", "text": "Hello", "client_id": "one", "image": PNG}
    answer = await client.call("send", sent)
    message = answer["message"]
    assert (message["text"], message["client_id"]) == ("Hello", "one")
    assert message["image"] == f"/pictures/{message['id']}/"
    emitted = client.emitted[-1]
    assert (emitted["event"], emitted["args"]) == ("message", (message,))
    assert emitted["to"] == (f"~chat.room:{room.pk}",)
    assert client.sid in emitted["skip"]


async def test_message_sent_again_is_answered_alike_and_stored_once(
    client: SocketIOCommunicator,
) -> None:
    await client.call("open", {"room": "general", "after": 0})
    sent = {"room": "general", "text": "Hello", "client_id": "one"}
    assert await client.call("send", sent) == await client.call("send", sent)
    assert await Message.objects.acount() == 1


async def test_message_to_a_room_that_was_not_opened_is_refused(
    client: SocketIOCommunicator,
) -> None:
    answer = await client.call("send", {"room": "general", "text": "Hello", "client_id": "one"})
    assert code_of(answer) == "not_in_room"
    assert not await Message.objects.aexists()


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("open", {"room": "general"}),
        ("open", {"room": "general", "after": True}),
        ("open", {"room": "general", "after": -1}),
        ("open", {"room": "general", "after": 2**63}),
        ("open", {"room": ["general"], "after": 0}),
        ("open", {"room": "half a pair: \ud83d", "after": 0}),
        ("open", "general"),
        ("open", None),
        ("send", {"room": "general", "text": "", "client_id": "one"}),
        ("send", {"room": "general", "text": "\ud83d", "client_id": "one"}),
        ("send", {"room": "general", "image": b"<script>", "client_id": "one"}),
        ("history", {"room": "general", "before": "now"}),
        ("read", {"room": "general", "id": 0.5}),
    ],
)
async def test_event_with_bad_data_is_answered_with_an_error(
    client: SocketIOCommunicator, event: str, data: Any
) -> None:
    await client.call("open", {"room": "general", "after": 0})
    assert code_of(await client.call(event, data)) == "invalid"


async def test_opening_a_room_that_is_not_there_is_answered_with_an_error(
    client: SocketIOCommunicator,
) -> None:
    assert code_of(await client.call("open", {"room": "nowhere", "after": 0})) == "not_found"


async def test_history_comes_oldest_first(
    client: SocketIOCommunicator, ada: User, room: Room
) -> None:
    await client.call("open", {"room": "general", "after": 0})
    ids = [
        (await Message.objects.acreate(room=room, author=ada, text="Hello")).pk for _ in range(3)
    ]
    answer = await client.call("history", {"room": "general", "before": ids[2]})
    assert [message["id"] for message in answer["messages"]] == ids[:2]
    assert answer["more"] is False


async def test_typing_goes_to_the_others_and_may_be_dropped(
    client: SocketIOCommunicator, ada: User
) -> None:
    await client.call("open", {"room": "general", "after": 0})
    await client.call("typing", {"room": "general", "typing": True})
    emitted = client.emitted[-1]
    assert emitted["event"] == "typing"
    assert emitted["args"][0]["user"] == {"id": ada.pk, "name": "ada"}
    assert emitted["volatile"]
    assert client.sid in emitted["skip"]


async def test_hello_tells_what_is_unread_and_announced(
    client: SocketIOCommunicator, room: Room
) -> None:
    await client.call("open", {"room": "general", "after": 0})
    grace = await User.objects.acreate(username="grace")
    last = await Message.objects.acreate(room=room, author=grace, text="Hello")
    announcement = await Announcement.objects.acreate(text="Tea is served")
    answer = await client.call("hello")
    assert answer == {"unread": {"general": 1}, "announcements": [announcement.as_dict()]}
    await client.call("read", {"room": "general", "id": last.pk})
    assert (await client.call("hello"))["unread"] == {"general": 0}


async def test_members_are_refused_where_no_process_can_say_who_is_online(
    client: SocketIOCommunicator,
) -> None:
    assert code_of(await client.call("members", {"room": "general"})) == "not_in_room"
    await client.call("open", {"room": "general", "after": 0})
    with real_layer():  # the demo's is in memory, and no server runs here
        assert code_of(await client.call("members", {"room": "general"})) == "unavailable"


async def test_members_are_shown_with_who_is_online(
    client: SocketIOCommunicator, ada: User
) -> None:
    await client.call("open", {"room": "general", "after": 0})
    answer = await client.call("members", {"room": "general"})
    # A communicator's client is on no server.
    assert answer == {"members": [{"id": ada.pk, "name": "ada", "online": False}]}


@pytest.mark.parametrize("data", ["tea", {"room": "tea"}])
async def test_lobby_room_is_joined_by_name_or_object(
    lobby: SocketIOCommunicator, data: Any
) -> None:
    assert await lobby.call("join", data) == {"ok": True, "room": "tea"}
    assert "tea" in lobby.rooms
    assert await lobby.call("message", {"room": "tea", "text": "Hello"}) == {"ok": True}
    assert await lobby.receive_event() == ("message", "Hello")
    assert lobby.emitted[-1]["to"] == ("tea",)
    assert await lobby.call("leave", data) == {"ok": True, "room": "tea"}
    assert "tea" not in lobby.rooms


@pytest.mark.parametrize("event", ["chat message", "chat", "message"])
async def test_lobby_text_goes_to_everyone(lobby: SocketIOCommunicator, event: str) -> None:
    await lobby.emit(event, "Hello")
    assert await lobby.receive_event() == (event, "Hello")
    assert lobby.emitted[-1]["to"] is None


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("join", ""),
        ("join", None),
        ("join", {"room": 7}),
        ("join", "x" * 101),
        ("join", "~auth.user:1"),
        ("message", {"room": "~auth.user:1", "text": "Hello"}),
        ("message", {"room": "tea"}),
        ("message", {"room": "tea", "text": "x" * 4001}),
        ("chat message", {"text": "Hello"}),
        ("chat message", ""),
        ("chat", ["Hello"]),
        ("message", ""),
    ],
)
async def test_lobby_event_with_bad_data_is_answered_with_an_error(
    lobby: SocketIOCommunicator, event: str, data: Any
) -> None:
    assert code_of(await lobby.call(event, data)) == "invalid"
    assert lobby.emitted == []
