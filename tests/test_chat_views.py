import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from chat.consumers import ChatConsumer
from chat.models import PAGE_SIZE, Announcement, Membership, Message, Room
from project.secret import local_secret_key
from realtime.testing import SocketIOClient, assert_emitted, assert_not_emitted, capture_emits

pytestmark = pytest.mark.django_db

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def ada(client: Client) -> User:
    user = User.objects.create_user("ada", password="lovelace")
    client.force_login(user)
    return user


@pytest.fixture
def room() -> Room:
    return Room.objects.create(name="General")


def message_in(room: Room, author: User, **fields: Any) -> Message:
    return Message.objects.create(room=room, author=author, **{"text": "Hello", **fields})


@pytest.mark.parametrize("path", ["/", "/rooms/general/", "/pictures/1/"])
def test_pages_want_a_login(client: Client, room: Room, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={path}"


def test_sign_up_logs_in(client: Client) -> None:
    data = {"username": "mary", "password1": "frank3nstein", "password2": "frank3nstein"}
    response = client.post("/accounts/signup/", data, follow=True)
    assert response.redirect_chain == [("/", 302)]
    assert response.context["user"].username == "mary"


def test_sign_up_with_a_weak_password_says_why(client: Client) -> None:
    data = {"username": "mary", "password1": "123", "password2": "123"}
    response = client.post("/accounts/signup/", data)
    assert b"This password is too short" in response.content
    assert not User.objects.exists()


def test_log_in_and_out(client: Client, room: Room) -> None:
    User.objects.create_user("ada", password="lovelace")
    data = {"username": "ada", "password": "lovelace"}
    assert client.post("/accounts/login/", data)["Location"] == "/"
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert client.get("/").status_code == 302


def test_room_is_created_with_an_address(client: Client, ada: User) -> None:
    response = client.post("/", {"name": "Engine room"})
    assert response["Location"] == "/rooms/engine-room/"
    assert Room.objects.get().created_by == ada


@pytest.mark.parametrize("name", ["General", "general", " GENERAL "])
def test_room_with_a_name_that_is_taken_is_refused(
    client: Client, ada: User, room: Room, name: str
) -> None:
    response = client.post("/", {"name": name})
    assert b"There is a room of this name already." in response.content
    assert Room.objects.count() == 1


class SomebodyElse:
    """Makes a room in the instant after a name or a slug was looked for and found to be free."""

    def __init__(self, column: str, name: str) -> None:
        self.question = f'WHERE "chat_room"."{column}" ='
        self.name = name

    def __call__(self, execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if self.question in sql and not Room.objects.exists():
            self.question = "never again"
            Room.objects.create(name=self.name)
        return result


def test_room_whose_name_is_taken_in_the_same_instant_is_refused_alike(
    client: Client, ada: User
) -> None:
    with connection.execute_wrapper(SomebodyElse("name", "Tea break")):
        response = client.post("/", {"name": "Tea break"})
    assert b"There is a room of this name already." in response.content
    assert Room.objects.get().created_by is None


def test_room_that_differs_in_capitals_from_one_made_in_the_same_instant_is_refused(
    client: Client, ada: User
) -> None:
    with connection.execute_wrapper(SomebodyElse("slug", "TEA break")):
        response = client.post("/", {"name": "Tea break"})
    assert b"There is a room of this name already." in response.content
    assert Room.objects.get().name == "TEA break"


def test_rooms_list_says_what_is_unread(client: Client, ada: User, room: Room) -> None:
    client.get(room.get_absolute_url())
    grace = User.objects.create_user("grace")
    Message.objects.create(room=room, author=grace, text="Hello", client_id="one")
    card = client.get("/").content.decode().partition('class="room-card"')[2]
    assert '<span class="unread"><span class="count">1</span>' in card


def test_room_whose_slug_is_taken_in_the_same_instant_gets_another(
    client: Client, ada: User
) -> None:
    with connection.execute_wrapper(SomebodyElse("slug", "Tea break!")):
        response = client.post("/", {"name": "Tea break"})
    assert re.fullmatch("/rooms/tea-break-[0-9a-f]{8}/", response["Location"])
    assert Room.objects.count() == 2


def test_opening_a_room_joins_and_reads_it(client: Client, ada: User, room: Room) -> None:
    grace = User.objects.create_user("grace")
    last = message_in(room, grace)
    assert client.get("/rooms/general/").status_code == 200
    assert Membership.objects.get(room=room, user=ada).last_read == last.pk


def test_leaving_a_room_takes_it_off_the_list(client: Client, ada: User, room: Room) -> None:
    client.get("/rooms/general/")
    assert client.get("/rooms/general/leave/").status_code == 405
    response = client.post("/rooms/general/leave/", follow=True)
    assert not Membership.objects.exists()
    assert list(response.context["memberships"]) == []


def test_room_that_is_not_there_is_not_found(client: Client, ada: User) -> None:
    assert client.get("/rooms/nowhere/").status_code == 404


def test_message_posted_as_a_form_is_stored_once_however_often_it_is_sent(
    client: Client, ada: User, room: Room
) -> None:
    page = client.get("/rooms/general/").content.decode()
    found = re.search(r'name="client_id" value="([^"]+)"', page)
    assert found is not None
    for _ in range(2):
        response = client.post("/rooms/general/", {"text": "Hello", "client_id": found[1]})
        assert response["Location"] == "/rooms/general/"
    assert Message.objects.get().text == "Hello"


def test_message_posted_as_a_form_reaches_the_open_pages(
    client: Client, ada: User, room: Room, socketio_client: Callable[..., SocketIOClient]
) -> None:
    page = socketio_client(ChatConsumer, http=client).connect()
    page.call("open", {"room": "general", "after": 0})
    with capture_emits():
        client.post("/rooms/general/", {"text": "Hello", "client_id": "one"})
    assert page.received("message") == [Message.objects.get().as_dict()]
    assert_emitted("message", to=room, namespace="/chat", count=1)


def test_new_room_is_told_to_everyone(client: Client, ada: User) -> None:
    with capture_emits():
        client.post("/", {"name": "Engine room"})
    assert_emitted("room", Room.objects.get().as_dict(), to=None, namespace="/chat", count=1)


def test_empty_message_is_answered_with_the_reason(client: Client, ada: User, room: Room) -> None:
    response = client.post("/rooms/general/", {"text": "", "client_id": "one"})
    assert response.status_code == 422
    assert b"Write something, or choose a picture." in response.content
    assert_not_emitted()


def test_text_with_markup_is_escaped(client: Client, ada: User, room: Room) -> None:
    message_in(room, ada, text="<script>alert(1)</script>")
    Announcement.objects.create(text="<b>bold</b>")
    content = client.get("/rooms/general/").content
    assert b"&lt;script&gt;alert(1)" in content
    assert b"&lt;b&gt;bold" in content
    assert b"<script>alert" not in content


def test_older_messages_are_a_link_away(client: Client, ada: User, room: Room) -> None:
    messages = [message_in(room, ada) for _ in range(PAGE_SIZE + 1)]
    newest = client.get("/rooms/general/")
    assert newest.context["messages"] == messages[1:]
    assert f'href="?before={messages[1].pk}"'.encode() in newest.content
    oldest = client.get(f"/rooms/general/?before={messages[1].pk}")
    assert oldest.context["messages"] == messages[:1]
    assert not oldest.context["older"]
    assert client.get("/rooms/general/?before=nonsense").context["messages"] == messages[1:]
    assert client.get(f"/rooms/general/?before={'9' * 30}").context["messages"] == messages[1:]


def test_announcement_is_shown_while_it_is_active(client: Client, ada: User) -> None:
    Announcement.objects.create(text="Tea is served")
    Announcement.objects.create(text="Tea is over", active=False)
    content = client.get("/").content
    assert b"Tea is served" in content
    assert b"Tea is over" not in content


def test_picture_is_served_as_what_it_is_and_never_as_a_page(
    client: Client, ada: User, room: Room
) -> None:
    image = SimpleUploadedFile("picture.png", PNG)
    message = message_in(room, ada, image=image)
    response = client.get(reverse("picture", args=[message.pk]))
    assert b"".join(response.streaming_content) == PNG
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cache-Control"].startswith("private")


def test_picture_of_a_message_without_one_is_not_found(
    client: Client, ada: User, room: Room
) -> None:
    message = message_in(room, ada)
    assert client.get(reverse("picture", args=[message.pk])).status_code == 404


@pytest.mark.parametrize("path", ["/", "/rooms/general/", "/accounts/signup/"])
def test_pages_have_a_strict_policy_and_nothing_inline(
    client: Client, ada: User, room: Room, path: str
) -> None:
    response = client.get(path, follow=True)
    policy = response["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    page = response.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
    assert not re.search(r'(src|href)="(https?:)?//', page)


@pytest.mark.parametrize("model", ["room", "message", "membership", "announcement"])
def test_admin_lists_everything(client: Client, room: Room, model: str) -> None:
    root = User.objects.create_superuser("root")
    client.force_login(root)
    message_in(room, root)
    Announcement.objects.create(text="Tea is served")
    assert client.get(f"/admin/chat/{model}/").status_code == 200


def test_secret_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / ".secret-key"
    key = local_secret_key(path)
    assert len(key) >= 50
    assert local_secret_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_site_without_debug_does_not_start_without_a_secret_key(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", "import project.settings"],
        cwd=root,
        env={"DJANGO_DEBUG": "0", "CHAT_DATABASE": str(tmp_path / "db.sqlite3")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Set DJANGO_SECRET_KEY" in done.stderr
