"""What can't be sent is refused with the argument's place, and with what to send instead."""

import dataclasses
import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.files.base import ContentFile
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from realtime import SocketIOConsumer, emit, event, namespace, routing
from realtime.conf import settings as realtime_settings
from realtime.exceptions import RoomError
from realtime.node import emissions, packing, rooms
from realtime.protocol.packets import Packet, PacketType
from realtime.testing import outbox
from tests.web_thread import crowd, web_thread


@dataclasses.dataclass
class Point:
    x: Any = 1
    when: datetime.date = datetime.date(2026, 1, 2)


CIRCLE: list[Any] = []
CIRCLE.append({"again": CIRCLE})
DEEP: Any = 1
for _ in range(20_000):  # Python 3.13's json writes 5,000
    DEEP = [DEEP]

REFUSED: list[tuple[list[Any], str]] = [
    ([1, User(pk=3)], "argument 2 is a User: send a dict of what the client may see, or pass it"),
    ([SimpleLazyObject(lambda: User(pk=3))], "argument 1 is a User: send a dict"),
    ([User.objects.all()], r"argument 1 is a QuerySet: send list\(queryset.values\(...\)\)"),
    ([Group.objects], r"argument 1 is a GroupManager: send list\(manager.values\(...\)\)"),
    ([User], "argument 1 is the class User: send a value"),
    ([{1, 2}], "argument 1 is a set: make it a list"),
    ([{"a": 1}.keys()], "argument 1 is a dict_keys: make it a list"),
    ([{"items": [0, 1, 2, {3}]}], r'argument 1, at \["items"\]\[3\], is a set: make it a list'),
    ([b"x", {"ids": {3}}], r'argument 2, at \["ids"\], is a set: make it a list'),
    ([AnonymousUser()], "argument 1 is an AnonymousUser: send what identifies a guest, or None"),
    ([{"at": Point({1})}], r'argument 1, at \["at"\].x, is a set: make it a list'),
    ([ContentFile(b"x")], "argument 1 is a ContentFile: send its name or its url"),
    ([ValueError("x")], r"argument 1 is a ValueError: send str\(\) of it"),
    ([object()], "argument 1 is an object: send a dict, a list, a string or a number"),
    ([{"a": {(1, 2): 3}}], r'argument 1, at \["a"\], is a dict with the key \(1, 2\): keys must'),
    ([float("nan")], "argument 1 is nan, which JavaScript's clients can't read: send None"),
    ([[1, float("-inf")]], r"argument 1, at \[1\], is -inf, which"),
    ([CIRCLE], r'argument 1, at \[0\]\["again"\], is a list that contains itself'),
    ([DEEP], "argument 1 is nested deeper than 100"),
    ([datetime.time(1, tzinfo=datetime.UTC)], "argument 1 is a time: JSON can't represent"),
]


@pytest.mark.parametrize(("args", "text"), REFUSED)
@pytest.mark.parametrize("json", ["realtime.json", "realtime.orjson"])
def test_argument_that_cannot_be_sent_is_named(
    args: list[Any], text: str, json: str, settings: Any
) -> None:
    settings.REALTIME = {"JSON": json}
    if json == "realtime.orjson" and any(word in text for word in ("nan", "inf")):
        return  # orjson writes NaN and infinities as null
    with pytest.raises((TypeError, ValueError), match=text):
        emit("event", *args, to="lobby")


@pytest.mark.parametrize(
    ("args", "text"),
    # It holds NaN, and keys of any kind.
    [case for case in REFUSED if not any(word in case[1] for word in ("nan", "inf", "the key"))],
)
def test_argument_that_msgpack_cannot_hold_is_named_the_same(
    args: list[Any], text: str, settings: Any
) -> None:
    settings.REALTIME = {"PARSER": "msgpack"}
    assert realtime_settings.PARSER == "msgpack"
    with pytest.raises((TypeError, ValueError), match=text):
        emit("event", *args, to="lobby")


def test_number_beyond_msgpack_is_refused_as_one(settings: Any) -> None:
    settings.REALTIME = {"PARSER": "msgpack"}
    with pytest.raises(TypeError, match="argument 1 is an int that is out of range: send a string"):
        emit("event", 2**64)


def test_answers_and_data_are_named_as_what_they_are() -> None:
    with pytest.raises(TypeError, match="the answer is a set: make it a list"):
        packing.pack([{1}])
    with pytest.raises(TypeError, match="value 2 of the answer is a User: send a dict"):
        packing.pack([1, User()])
    with pytest.raises(TypeError, match="argument 2 is a set: make it a list"):
        packing.pack_event("event", [1, {2}])
    with pytest.raises(TypeError, match=r'the data, at \["data"\], is a set: make it a list'):
        emissions.messages_of(Packet(PacketType.CONNECT_ERROR, "/", {"data": {1}}))


class Unserializable(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    lock: Any


class Order(pydantic.BaseModel):
    number: int = pydantic.Field(serialization_alias="orderNumber")
    at: datetime.datetime
    tags: set[str] = set()


@pydantic.dataclasses.dataclass
class Line:
    price: Decimal


class Item(msgspec.Struct, rename="camel"):
    unit_price: Decimal
    tags: frozenset[str] = frozenset()


NOON = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)
INSTANCES = [
    (Point(b"\x01"), {"x": b"\x01", "when": "2026-01-02"}),
    (Point([Point(2)]), {"x": [{"x": 2, "when": "2026-01-02"}], "when": "2026-01-02"}),
    (
        Order(number=1, at=NOON, tags={"new"}),
        {"orderNumber": 1, "at": "2026-01-02T12:00:00Z", "tags": ["new"]},
    ),
    (Line(Decimal("1.50")), {"price": "1.50"}),
    (Item(Decimal("1.50"), frozenset(["a"])), {"unitPrice": "1.50", "tags": ["a"]}),
]


@pytest.mark.parametrize(
    "options",
    [{}, {"JSON": "realtime.orjson"}, {"PARSER": "msgpack"}],
    ids=["json", "orjson", "msgpack"],
)
@pytest.mark.parametrize(("instance", "sent"), INSTANCES)
def test_instance_is_sent_as_its_schema_says(
    instance: Any, sent: Any, options: dict[str, Any], settings: Any
) -> None:
    settings.REALTIME = options
    emit("event", {"list": [instance]}, instance)
    assert outbox[-1].args == ({"list": [sent]}, sent)
    # As the ack of a handler that returns it.
    assert packing.unpack(packing.pack([instance])) == [sent]


@pytest.mark.parametrize("options", [{}, {"PARSER": "msgpack"}], ids=["json", "msgpack"])
def test_instance_that_its_library_cannot_serialize_is_named(
    options: dict[str, Any], settings: Any
) -> None:
    settings.REALTIME = options
    text = "argument 1 is a Unserializable that its library can't serialize"
    with pytest.raises((TypeError, ValueError), match=text):
        emit("event", Unserializable(lock=object()))
    with pytest.raises((TypeError, ValueError), match="is a Holder that its library can't"):
        emit("event", Holder(object()))


class Holder(msgspec.Struct):
    held: Any


def test_lazily_translated_strings_are_sent_and_name_rooms() -> None:
    emission = emissions.encode("event", [gettext_lazy("Yes")], namespace="/", to=None)
    assert emission.messages == ('2["event","Yes"]',)
    assert rooms.targets(gettext_lazy("Yes")) == ("Yes",)
    assert rooms.targets([gettext_lazy("Yes"), "No"]) == ("Yes", "No")


@pytest.mark.parametrize(
    ("to", "text"),
    [
        (AnonymousUser(), "AnonymousUser has no room: only a user who is logged in"),
        (SimpleLazyObject(AnonymousUser), "AnonymousUser has no room: only a user who is logged"),
        (["lobby", AnonymousUser()], "AnonymousUser has no room"),
        (User, "User is a model: pass a saved instance of it, or the name of a room"),
        (User(), "this User has no primary key yet: save it"),
        ([User()], "this User has no primary key yet: save it"),
        (Group.objects, "must be a string or a saved model instance, not GroupManager"),
    ],
)
def test_target_that_has_no_room_is_refused(to: Any, text: str) -> None:
    with pytest.raises(RoomError, match=text):
        emit("event", to=to)


def test_room_of_an_instance_has_a_name_for_clients() -> None:
    assert rooms.for_clients(rooms.of_instance(User(pk=7))) == "auth.user:7"
    assert rooms.for_clients("lobby") == "lobby"


@pytest.mark.django_db(transaction=True)
def test_consumers_say_the_same_know_rooms_of_instances_and_skip_rooms(
    caplog: pytest.LogCaptureFixture,
) -> None:
    group = Group.objects.create(name="editors")
    routes = list(routing._routes)

    @namespace("/unsendable")
    class Consumer(SocketIOConsumer):
        async def connect(self, auth: Any) -> None:
            await self.join(group, presence=True)

        @event
        async def answer(self) -> Any:
            return {"ids": {1}}

        @event
        async def hush(self, *rooms: str) -> None:
            await self.join("quiet")
            await self.emit("hushed", skip=rooms)
            await self.broadcast("hushed by all", skip=rooms)

        @event
        async def tell(self) -> None:
            await self.emit("told", group)

    try:
        with web_thread() as url, crowd(url) as clients:
            client = clients.connect("/unsendable")
            assert clients.run(client.next("presence:state")) == (f"auth.group:{group.pk}", [])
            for name in ("answer", "tell"):
                assert clients.run(client.call(name))["error"]["code"] == "internal"
            clients.run(client.call("hush", "quiet"))
            assert client.waiting("hushed") == client.waiting("hushed by all") == []
            clients.run(client.call("hush", "loud"))
            assert clients.run(client.next("hushed")) == ()
            assert clients.run(client.next("hushed by all")) == ()
    finally:
        routing._routes[:] = routes
    assert 'the answer, at ["ids"], is a set: make it a list' in caplog.text
    assert "argument 1 is a Group: send a dict of what the client may see" in caplog.text
