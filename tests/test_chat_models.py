from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from chat.forms import MessageForm
from chat.images import MAX_BYTES, image_type
from chat.models import MEMBERS_SHOWN, PAGE_SIZE, Announcement, Membership, Message, Room
from realtime.testing import assert_emitted, capture_emits, real_layer

pytestmark = pytest.mark.django_db

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def grace() -> User:
    return User.objects.create_user("Grace")


@pytest.fixture
def room() -> Room:
    return Room.objects.create(name="General")


def form_of(**data: Any) -> MessageForm:
    return MessageForm.from_event({"client_id": "one", "text": "Hello", **data})


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "jpg"),
        (b"GIF89a" + bytes(20), "gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"<script>", None),
        (b"", None),
    ],
)
def test_image_type_is_told_by_the_first_bytes(data: bytes, extension: str | None) -> None:
    assert image_type(data) == extension


def test_message_sent_again_is_stored_once(room: Room, ada: User, media: Path) -> None:
    stored = []
    for _ in range(2):
        form = form_of(image=PNG)
        assert form.is_valid()
        stored.append(form.save(room, ada))
    assert stored[0] == stored[1] == Message.objects.get()
    assert [path.read_bytes() for path in media.rglob("*.png")] == [PNG]


def test_same_client_id_of_another_author_is_another_message(
    room: Room, ada: User, grace: User
) -> None:
    for author in (ada, grace):
        form = form_of()
        assert form.is_valid()
        form.save(room, author)
    assert Message.objects.count() == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"text": ""}, "empty"),
        ({"text": "   "}, "empty"),
        ({"text": ["not", "a", "text"]}, "empty"),
        ({"text": "x" * 4001}, "max_length"),
        ({"text": "half a pair: \ud83d"}, "unicode"),
        ({"text": "nul: \0"}, "null_characters_not_allowed"),
        ({"client_id": ""}, "required"),
        ({"client_id": "x" * 37}, "max_length"),
        ({"client_id": "../.."}, "invalid"),
        ({"image": b"<script>alert(1)</script>"}, "not_a_picture"),
        ({"image": PNG + bytes(MAX_BYTES)}, "too_large"),
        ({"image": b""}, "empty"),
    ],
)
def test_message_that_breaks_a_rule_is_refused(data: dict[str, Any], code: str) -> None:
    errors = form_of(**data).errors.get_json_data()
    assert [error["code"] for each in errors.values() for error in each] == [code]


def test_name_and_type_of_an_uploaded_file_are_not_believed(room: Room, ada: User) -> None:
    file = SimpleUploadedFile("../../evil.html", PNG, content_type="text/html")
    form = MessageForm({"client_id": "one"}, {"image": file})
    assert form.is_valid()
    name = form.save(room, ada).image.name
    assert name.startswith("pictures/")
    assert name.endswith(".png")
    assert "evil" not in name


def test_message_as_dict_is_what_clients_get(room: Room, ada: User) -> None:
    message = Message.objects.create(room=room, author=ada, text="Hello", client_id="one")
    assert message.as_dict() == {
        "id": message.pk,
        "room": "general",
        "author": {"id": ada.pk, "name": "ada"},
        "text": "Hello",
        "image": None,
        "client_id": "one",
        "created": message.created.isoformat(),
    }


def test_pages_of_messages_meet_without_gap_or_overlap(room: Room, ada: User) -> None:
    other = Room.objects.create(name="Other")
    ids = []
    for number in range(2 * PAGE_SIZE + 3):
        ids.append(Message.objects.create(room=room, author=ada, text=str(number)).pk)
        Message.objects.create(room=other, author=ada, text="elsewhere")
    backwards: list[int] = []
    before, more = None, True
    while more:
        page, more = room.messages.latest_page(before)
        backwards = [message.pk for message in page] + backwards
        before = backwards[0]
    forwards: list[int] = []
    more = True
    while more:
        page, more = room.messages.page_after(forwards[-1] if forwards else 0)
        forwards += [message.pk for message in page]
    assert backwards == forwards == ids


def test_unread_counts_later_messages_of_others(room: Room, ada: User, grace: User) -> None:
    membership = Membership.objects.create(room=room, user=ada)
    messages = [
        Message.objects.create(room=room, author=author, text="Hello")
        for author in (grace, ada, grace, grace)
    ]
    counts = []
    for read in (messages[0], messages[3], messages[1]):
        membership.read_up_to(read.pk)
        counts.append(Membership.objects.with_unread().get().unread)
    assert counts == [2, 0, 0]


def test_latest_members_are_the_ones_shown_where_there_are_many(room: Room) -> None:
    names = [f"member-{number}" for number in range(MEMBERS_SHOWN + 2)]
    for user in User.objects.bulk_create(User(username=name) for name in names):
        Membership.objects.create(room=room, user=user)
    shown = [user.username for user in room.latest_members()]
    assert shown == names[:1:-1]


def test_rooms_get_addresses_of_their_own(ada: User) -> None:
    names = ["Tea & biscuits", "tea biscuits", "茶", "お茶"]
    slugs = [Room.objects.create(name=name).slug for name in names]
    assert slugs[0] == "tea-biscuits"
    assert slugs[2] == "room"
    assert len(set(slugs)) == 4


def test_announcement_is_told_to_every_page_when_it_changes() -> None:
    with capture_emits() as emits:
        announcement = Announcement.objects.create(text="Hello")
    with capture_emits():
        announcement.delete()
    assert len(emits) == 1
    shown = assert_emitted("announcement", to=None, namespace="/chat", count=2)
    assert [emit.args[0]["active"] for emit in shown] == [True, False]


def test_announcement_is_saved_where_nobody_can_be_told(caplog: pytest.LogCaptureFixture) -> None:
    with real_layer(), capture_emits() as emits:  # the demo's is in memory, and no server runs here
        Announcement.objects.create(text="Hello")
    assert emits == []
    assert "the event 'announcement' was not emitted" in caplog.text
    assert Announcement.objects.get().active


def test_demo_data_is_made_once(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.DEBUG = True
    call_command("chat_demo")
    Room.objects.get(name="General").messages.all().delete()
    call_command("chat_demo")
    assert "ada / lovelace" in capsys.readouterr().out
    assert Room.objects.get(name="General").messages.count() == 0
    assert User.objects.get(username="ada").check_password("lovelace")
    assert list(User.objects.filter(is_superuser=True)) == [User.objects.get(username="root")]


def test_demo_data_is_refused_where_debug_is_off(settings: Any) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="--force"):
        call_command("chat_demo")
