"""Annotations of handlers as their schema: what passes, what is refused, and what it is called."""

from __future__ import annotations

import logging
import math
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, Required, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
import typing_extensions
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MinValueValidator, validate_slug
from django.db import connection
from django.test import override_settings
from rest_framework import serializers

from realtime import SocketIOConsumer, event
from realtime.exceptions import MAX_FAULTS, BadArguments
from realtime.permissions import BasePermission
from realtime.schema.annotations import Reader, Unchecked
from realtime.schema.definitions import Definitions
from realtime.schema.descriptions import Namespace, describe_received, describe_sent
from realtime.schema.faults import Invalid
from realtime.schema.forms import FormKind
from realtime.schema.plain_values import plain
from realtime.schema.typescript import type_of, typescript
from realtime.testing import SocketIOCommunicator

if typing.TYPE_CHECKING:
    from fractions import Fraction


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: float


@dataclass
class Leaf:
    title: Annotated[str, MaxLengthValidator(5)]
    price: float = 0.0
    children: list[Leaf] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.title == "both":
            raise ValueError("not both")
        if self.title == "none":
            raise ValidationError({"title": ValidationError("not none", code="none")})


class Options(TypedDict, total=False):
    name: Required[str]
    limit: int | None


UserId = NewType("UserId", int)


class Extended(typing_extensions.TypedDict):
    """What pydantic asks for on older versions of Python."""

    n: typing_extensions.Required[int]
    name: typing_extensions.NotRequired[typing_extensions.ReadOnly[str]]


Tree = typing_extensions.TypeAliasType("Tree", "int | dict[str, Tree]")


T = typing.TypeVar("T")


@dataclass
class Page(typing.Generic[T]):
    items: list[T]
    first: T | None = None
    next: Page[T] | None = None


class Found(TypedDict, typing.Generic[T]):
    it: Annotated[list[T] | T, "a comment"]


@dataclass
class Area:
    width: int
    unit: InitVar[int]
    depth: InitVar[int] = 1
    size: int = field(init=False)

    def __post_init__(self, unit: int, depth: int) -> None:
        self.size = self.width * unit * depth


@dataclass
class Circle:
    kind: Literal["circle"]
    radius: float


@dataclass
class Square:
    kind: Literal["square", 4]
    side: float


class Model(pydantic.BaseModel):
    n: int
    leaf: Leaf | None = None


class Many(pydantic.BaseModel):
    numbers: list[int]


class Struct(msgspec.Struct):
    n: int


PASS: list[tuple[Any, Any, Any]] = [
    (str, "a", "a"),
    (int, 3, 3),
    (int, 3.0, 3),
    (float, 2, 2.0),
    (bool, False, False),
    (None, None, None),
    (Any, {"a": [1]}, {"a": [1]}),
    (object, 1, 1),
    (bytes, b"x", b"x"),
    (list, [1, "a"], [1, "a"]),
    (list[int], [1, 2], [1, 2]),
    (Sequence[int], [1], [1]),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
    (tuple, [1, "a"], (1, "a")),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, list[bool]], {"a": [True]}, {"a": [True]}),
    (Mapping[str, int], {"a": 1}, {"a": 1}),
    (dict[Literal["a", "b"], int], {"b": 1}, {"b": 1}),
    (Literal["a", 1, None], 1, 1),
    (Literal["a", 1, None], None, None),
    (Literal[Color.RED], "red", Color.RED),
    (Optional[int], None, None),  # noqa: UP045 - both spellings are to work
    (int | str, "a", "a"),
    (Color, "red", Color.RED),
    (Level, 3, Level.HIGH),
    (Point, [1, 2], Point(1, 2.0)),
    (UserId, 7, 7),
    (Options, {"name": "a", "limit": None, "other": 1}, {"name": "a", "limit": None}),
    (Leaf, {"title": "a", "children": [{"title": "b"}]}, Leaf("a", children=[Leaf("b")])),
    (list[Leaf | int], [1, {"title": "b"}], [1, Leaf("b")]),
    (Extended, {"n": 1, "name": "a", "more": 1}, {"n": 1, "name": "a"}),
    (Area, {"width": 2, "unit": 3}, Area(2, 3)),
    (Area, {"width": 2, "unit": 3, "depth": 4, "size": 1}, Area(2, 3, 4)),
    (Circle | Square, {"kind": 4, "side": 1}, Square(4, 1.0)),
    (Level, 3.0, Level.HIGH),
    (typing_extensions.TypeAliasType("Names", list[str]), ["a"], ["a"]),
    (Tree, {"a": {"b": 1}}, {"a": {"b": 1}}),
    (
        Page[int],
        {"items": [1], "first": 2, "next": {"items": []}},
        Page([1], 2, Page(typing.cast(list[int], []))),
    ),
    (Found[str], {"it": ["a"]}, {"it": ["a"]}),
    (Found[Page[int]], {"it": {"items": [1]}}, {"it": Page([1])}),
    *((each, [1, "a"], [1, "a"]) for each in (typing.List, typing.Iterable, Sequence)),  # noqa: UP006
    *((each, {"a": 1}, {"a": 1}) for each in (typing.Dict, typing.Mapping, Mapping)),  # noqa: UP006
    (typing.Tuple, [1, "a"], (1, "a")),  # noqa: UP006
    (Annotated[str, validate_slug], "a-b", "a-b"),
    (Annotated[str, "a comment"], "a b", "a b"),
    # As the msgpack parser hands over a Date.
    (datetime, datetime(2026, 11, 25, 10, tzinfo=UTC), datetime(2026, 11, 25, 10, tzinfo=UTC)),
    (date, "2026-11-25", date(2026, 11, 25)),
    (datetime, "2026-11-25T10:00:00.123Z", datetime(2026, 11, 25, 10, 0, 0, 123000, UTC)),
    (time, "09:30", time(9, 30)),
    (timedelta, "P1DT02H00M00S", timedelta(days=1, hours=2)),
    (Decimal, "1.20", Decimal("1.20")),
    (Decimal, 1.2, Decimal("1.2")),
    (UUID, "0e8b4f3a-6f0c-4f6e-9d0a-3d1b2f4a5c6d", UUID("0e8b4f3a6f0c4f6e9d0a3d1b2f4a5c6d")),
    (Model, {"n": 1, "leaf": {"title": "a"}}, Model(n=1, leaf=Leaf("a"))),
    (Struct, {"n": 1}, Struct(1)),
    (list[Struct], [{"n": 1}], [Struct(1)]),
    (Annotated[int, pydantic.Field(gt=0)], 1, 1),
    (Annotated[int, msgspec.Meta(gt=0)], 1, 1),
    # Only pydantic knows these, where it is installed.
    (set[int], [1, 1], {1}),
]


def name_of(value: Any) -> str:
    """A name that is the same in each process: a repr may end with an address."""
    return re.sub(r" object at 0x[0-9a-f]+", "", repr(value))[:80]


@pytest.mark.parametrize(("annotation", "value", "loaded"), PASS, ids=name_of)
def test_value_of_the_kind_is_taken(annotation: Any, value: Any, loaded: Any) -> None:
    found = Reader().kind(annotation).load(value)
    assert found == loaded
    assert type(found) is type(loaded)


FAIL: list[tuple[Any, Any, list[tuple[Any, ...]]]] = [
    (str, 1, [("type",)]),
    (str, None, [("type",)]),
    (str, b"a", [("type",)]),
    (int, True, [("type",)]),
    (int, "1", [("type",)]),
    (int, 1.5, [("type",)]),
    (int, 1e300, [("type",)]),
    (float, True, [("type",)]),
    (float, "1.0", [("type",)]),
    (float, 10**308 * 9, [("type",)]),
    (float, math.nan, [("type",)]),
    (float, -math.inf, [("type",)]),
    (Annotated[float, MinValueValidator(0)], math.nan, [("type",)]),
    (Extended, {"n": "1"}, [("type", "n")]),
    (Extended, {"name": "a"}, [("required", "n")]),
    (Area, {"width": 1}, [("required", "unit")]),
    (Circle | Square, {"kind": "circle", "radius": "a"}, [("type", "radius")]),
    (Circle | Square, {"kind": "square"}, [("required", "side")]),
    (Circle | Square, {"kind": "star", "side": 1}, [("choice", "kind")]),
    (Circle | Square, {"side": 1}, [("union",)]),
    (
        Page[int],
        {"items": ["1"], "next": {"items": [1, "a"]}},
        [("type", "items", 0), ("type", "next", "items", 1)],
    ),
    (Found[str], {"it": 1}, [("union", "it")]),
    (bool, 1, [("type",)]),
    (bool, "true", [("type",)]),
    (None, 0, [("type",)]),
    (bytes, "text", [("type",)]),
    (list[int], {"0": 1}, [("type",)]),
    (list[int], "12", [("type",)]),
    (list[int], [1, "a", True], [("type", 1), ("type", 2)]),
    (tuple[int, str], [1], [("length",)]),
    (tuple[int, str], ["a", 1], [("type", 0), ("type", 1)]),
    (tuple[int, ...], [None], [("type", 0)]),
    (dict[str, int], [1], [("type",)]),
    (dict[str, int], {"a": "b"}, [("type", "a")]),
    (dict[Literal["a"], int], {"b": 1}, [("choice", "b")]),
    (dict[str, int], {7: 1}, [("type", "7")]),
    (Literal["a", 1], True, [("choice",)]),
    (Literal["a"], ["a"], [("choice",)]),
    (int | None, "a", [("union",)]),
    (int | list[int], ["a"], [("type", 0)]),
    (Color, "blue", [("choice",)]),
    (Level, True, [("choice",)]),
    (Point, {"x": 1, "y": 2}, [("type",)]),
    (Options, {"limit": "a"}, [("required", "name"), ("union", "limit")]),
    (Leaf, [], [("type",)]),
    (Leaf, {"title": "too long"}, [("max_length", "title")]),
    (Leaf, {"title": "a", "children": [{"title": 1}]}, [("type", "children", 0, "title")]),
    (Leaf, {"title": "both"}, [("invalid",)]),
    (Leaf, {"title": "none"}, [("none", "title")]),
    (Annotated[str, validate_slug], "a b", [("invalid",)]),
    (date, "2026-13-01", [("format",)]),
    (date, "soon", [("format",)]),
    (date, 20261125, [("type",)]),
    (datetime, "2026-11-25T25:00", [("format",)]),
    (datetime, "1" * 1_000_000, [("format",)]),
    (time, "25:00", [("format",)]),
    (timedelta, "P1000000000D", [("format",)]),
    (Decimal, "NaN", [("format",)]),
    (Decimal, "1e999999", [("format",)]),
    (Decimal, "\u0663", [("format",)]),
    (Decimal, True, [("type",)]),
    (UUID, "no", [("format",)]),
    (Model, {"n": "a", "leaf": {}}, [("int_parsing", "n"), ("missing", "leaf", "title")]),
    (list[Model], [{"n": "a"}] * 100, [("int_parsing", n, "n") for n in range(MAX_FAULTS)]),
    (Many, {"numbers": ["a"] * 2_000}, [("invalid",)]),
    (Struct, {"n": "a"}, [("invalid", "n")]),
    (dict[str, list[Struct]], {"a": [{"n": 1}, {}]}, [("invalid", "a", 1)]),
    (Annotated[int, pydantic.Field(gt=0)], 0, [("greater_than",)]),
]


@pytest.mark.parametrize(("annotation", "value", "faults"), FAIL, ids=name_of)
def test_value_of_another_kind_is_refused(
    annotation: Any, value: Any, faults: list[tuple[Any, ...]]
) -> None:
    with pytest.raises(Invalid) as caught:
        Reader().kind(annotation).load(value)
    assert [(fault.code, *fault.path) for fault in caught.value.faults] == faults


@override_settings(TIME_ZONE="Europe/Berlin")
def test_date_and_time_without_an_offset_are_of_the_current_time_zone() -> None:
    load = Reader().kind(datetime).load
    assert load("2026-11-25T10:00") == datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    with override_settings(USE_TZ=False):
        naive = datetime(2026, 11, 25, 10, 0)
        # A database would refuse what JavaScript sends.
        assert load("2026-11-25T10:00") == load("2026-11-25T09:00:00.000Z") == naive
        assert load(datetime(2026, 11, 25, 9, 0, tzinfo=UTC)) == naive


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (str | None, 3, "must be a string or null, not a number"),
        (int | str | None, [], "must be an integer or a string or null, not an array"),
        (int | None, 1.5, "must be an integer or must be null, not a number"),
        (Circle | Square, {"kind": "star"}, "must be one of: circle, square, 4"),
        (Circle | Square | None, 1, "must be an object or null, not a number"),
        (Literal["a", None, True], "b", "must be one of: a, null, true"),
    ],
    ids=name_of,
)
def test_message_says_what_the_value_may_be(annotation: Any, value: Any, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        Reader().kind(annotation).load(value)
    assert caught.value.faults[0].message == message


class Trees(SocketIOConsumer):
    emits = {
        "pages": (Page[Leaf], Page[int], Page[str]),
        "planted": Tree,
        "moments": typing_extensions.TypeAliasType("Moments", list[Area]),
    }

    @event
    async def plant(self, tree: Tree, other: Tree) -> Tree:
        return tree


def test_alias_is_one_type_wherever_it_stands() -> None:
    handler = Trees.handlers["plant"]
    received = describe_received("plant", handler.arguments, handler.function, Trees)
    sent = describe_sent(Trees.emitted.values())
    text = typescript([Namespace(route="/", text="", received=[received], sent=sent)])
    assert text.count("export type Tree = number | { [key: string]: Tree };") == 1
    assert text.count("Tree2") == 0
    assert "plant: (tree: Tree, other: Tree, callback: (answer: Tree | ErrorAnswer)" in text
    page = "items: {0}[]; first: {0} | null; next: {1} | null"
    assert f"export type PageInt = {{ {page.format('number', 'PageInt')} }};" in text
    assert f"export type PageLeaf = {{ {page.format('Leaf', 'PageLeaf')} }};" in text
    assert "pages: (arg1: PageLeaf, arg2: PageInt, arg3: PageStr) => void" in text
    # As it is sent only, it needs no second name.
    assert "moments: (data: Moments) => void" in text
    assert "export type Area = { width: number; size: number };" in text


def test_typescript_has_what_each_side_sends_of_a_dataclass() -> None:
    definitions = Definitions()
    kind = Reader().kind(Area)
    received, sent = (kind.schema(definitions, sent=sent) for sent in (False, True))
    types = {name: type_of(schema) for name, schema in definitions.schemas.items()}
    assert types[type_of(received)] == "{ width: number; unit: number; depth?: number }"
    assert types[type_of(sent)] == "{ width: number; size: number }"
    assert plain(Area(2, 3)) == {"width": 2, "size": 6}


ODD_VALUES = (1, 1.5, True, [1], {"a": 1}, [[1]], 10**30)


@pytest.mark.parametrize(
    "form_field",
    [
        forms.DateField(),
        forms.TimeField(),
        forms.DateTimeField(),
        forms.GenericIPAddressField(),
        forms.NullBooleanField(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_field_of_a_form_gets_a_text_where_it_looks_for_nothing_else(
    form_field: forms.Field,
) -> None:
    kind = FormKind(type("AForm", (forms.Form,), {"field": form_field}))
    for value in ODD_VALUES:
        if isinstance(form_field, forms.NullBooleanField):
            kind.load_for({"field": value}, None)
        else:
            with pytest.raises(Invalid):
                kind.load_for({"field": value}, None)


def test_part_of_a_field_of_a_form_is_no_exception() -> None:
    form = type("AForm", (forms.Form,), {"at": forms.SplitDateTimeField()})
    for value in ODD_VALUES:
        with pytest.raises(Invalid):
            FormKind(form).load_for({"at_0": value, "at_1": value}, None)
    bound = FormKind(form).load_for({"at_0": "2026-11-26", "at_1": "10:00"}, None)
    assert bound.cleaned_data["at"].year == 2026


@dataclass
class Left:
    child: Left | Right | int
    kind: Literal["left"]


@dataclass
class Right:
    child: Left | Right | int
    kind: Literal["right"]


def test_unions_within_unions_can_not_be_made_to_cost_without_end() -> None:
    value: Any = 1
    for _ in range(60):
        value = {"child": value, "kind": "right"}
    with pytest.raises(Invalid):
        Reader().kind(Left | Right).load(value)
    # The next value has the whole of what one may cost.
    right = Reader().kind(Left | Right).load({"child": 1, "kind": "right"})
    assert right == Right(1, "right")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement is of Python 3.12")
def test_alias_of_a_type_may_contain_itself() -> None:
    space: dict[str, Any] = {}
    exec("type Tree = int | list[Tree]", space)
    kind = Reader().kind(space["Tree"])
    assert kind.load([1, [2, []]]) == [1, [2, []]]
    with pytest.raises(Invalid):
        kind.load([1, ["a"]])


@pytest.mark.parametrize(
    "annotation",
    [User, Callable[[int], int], dict[int, str], dict[UserId, str], typing.TypeVar("T"), 5, "User"],
    ids=repr,
)
def test_annotation_that_can_not_be_checked_is_refused(annotation: Any) -> None:
    with pytest.raises(Unchecked):
        Reader().kind(annotation)


def test_class_with_such_an_annotation_is_refused_with_the_names_of_both() -> None:
    with pytest.raises(TypeError, match=r"buy: the annotation of 'user' can't be checked: .*User"):

        class Shop(SocketIOConsumer):
            @event
            async def buy(self, item: str, user: User) -> None: ...

    with pytest.raises(TypeError, match=r"'share' can't be checked: .*Fraction"):

        class Typed(SocketIOConsumer):
            @event
            async def split(self, share: Fraction) -> None: ...

    with pytest.raises(TypeError, match=r"'items' can't be checked: .*User, in .*Cart\.owner"):

        class Market(SocketIOConsumer):
            class Cart(TypedDict):
                owner: User

            @event
            async def fill(self, items: list[Cart]) -> None: ...


def test_class_that_declares_an_event_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="declares the event 'say' twice: first and second"):

        class Names(SocketIOConsumer):
            @event("say")
            async def first(self) -> None: ...

            @event("say")
            async def second(self) -> None: ...

    with pytest.raises(TypeError, match=r"Methods\.say is declared twice"):

        class Methods(SocketIOConsumer):
            @event
            async def say(self) -> None: ...

            @event(concurrent=True)
            async def say(self) -> None: ...  # type: ignore[no-redef]  # noqa: F811


def test_subclass_may_declare_an_event_of_its_base_again() -> None:
    class Base(SocketIOConsumer):
        @event
        async def say(self, text: str) -> None: ...

    class Louder(Base):
        @event
        async def say(self, text: str, volume: int = 1) -> None: ...

    assert Louder.handlers["say"].most == 2


class NameForm(forms.Form):
    name = forms.CharField(max_length=5)

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("name") == "query":
            # It may ask the database, which it could not do in the event loop.
            User.objects.count()
            raise ValidationError("asked", code="asked")
        if self.cleaned_data.get("name") == "bug":
            raise RuntimeError("a bug in the form")
        return self.cleaned_data


class NameSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=5)
    numbers = serializers.ListField(child=serializers.IntegerField(), required=False)

    def validate_name(self, name: str) -> str:
        if name == "bug":
            raise RuntimeError("a bug in the serializer")
        return name


class Never(BasePermission):
    async def may_handle(self, consumer: SocketIOConsumer, event: str, args: list[Any]) -> bool:
        return event != "forbidden"


class Strict(SocketIOConsumer):
    permission_classes = [Never]
    ran: list[Any] = []

    @event
    async def say(self, room: str, text: str, *numbers: int, ack: Any = None) -> None:
        await ack([room, text, *numbers])

    @event
    def pay(self, leaf: Leaf, at: date | None = None) -> list[Any]:
        return [leaf.title, type(at).__name__]

    @event
    async def sizes(self, sizes: dict[str, int]) -> int:
        return len(sizes)

    @event
    async def untyped(self, anything) -> Any:  # type: ignore[no-untyped-def]
        return anything

    @event
    async def forbidden(self, number: int) -> None: ...

    @event
    async def form(self, form: NameForm) -> str:
        return str(form.cleaned_data["name"])

    @event
    def serializer(self, serializer: NameSerializer) -> Any:
        assert serializer.context["consumer"] is self
        return dict(serializer.validated_data)

    @event("*")
    async def rest(self, name: str, number: int = 0) -> Any:
        return [name, number]


@pytest.fixture
async def strict() -> Any:
    communicator = SocketIOCommunicator(Strict)
    await communicator.connect()
    yield communicator
    await communicator.disconnect()


async def faults(communicator: SocketIOCommunicator, *call: Any) -> list[list[Any]]:
    return faults_of(await communicator.call(*call))


def faults_of(answer: Any) -> list[list[Any]]:
    error = answer["error"]
    assert error["code"] == "bad_arguments"
    return [[fault["code"], *fault["path"]] for fault in error["errors"]]


async def test_handler_gets_what_its_annotations_say(strict: SocketIOCommunicator) -> None:
    assert await strict.call("say", "lobby", "hello", 1, 2.0) == ["lobby", "hello", 1, 2]
    assert await strict.call("pay", {"title": "a"}, "2026-11-25") == ["a", "date"]
    assert await strict.call("pay", {"title": "a"}) == ["a", "NoneType"]
    assert await strict.call("untyped", {"any": [1]}) == {"any": [1]}
    assert await strict.call("form", {"name": "ada"}) == "ada"
    assert await strict.call("serializer", {"name": "ada"}) == {"name": "ada"}
    assert await strict.call("whatever", 3) == ["whatever", 3]


async def test_answer_has_the_path_of_each_fault(strict: SocketIOCommunicator) -> None:
    assert await strict.call("say", "lobby", 5) == {
        "error": {
            "code": "bad_arguments",
            "message": "text: must be a string, not a number",
            "errors": [
                {"path": ["text"], "message": "must be a string, not a number", "code": "type"}
            ],
        }
    }
    assert await faults(strict, "say", None, {}, 1, "2") == [
        ["type", "room"],
        ["type", "text"],
        ["type", "numbers", 1],
    ]
    assert await faults(strict, "pay", {"title": "a", "children": [7]}, "now") == [
        ["type", "leaf", "children", 0],
        ["union", "at"],
    ]
    assert await faults(strict, "whatever", "a") == [["type", "number"]]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("form", {"name": "too long"}, [["max_length", "form", "name"]]),
        ("form", {}, [["required", "form", "name"]]),
        ("form", "ada", [["type", "form"]]),
        ("form", None, [["type", "form"]]),
        ("serializer", {"name": ["ada"]}, [["invalid", "serializer", "name"]]),
        (
            "serializer",
            {"name": "", "numbers": [1, "a"]},
            [["blank", "serializer", "name"], ["invalid", "serializer", "numbers", 1]],
        ),
        ("serializer", [1], [["type", "serializer"]]),
    ],
)
async def test_forms_and_serializers_say_what_is_wrong(
    strict: SocketIOCommunicator, name: str, value: Any, expected: Any
) -> None:
    assert await faults(strict, name, value) == expected


@pytest.mark.django_db(transaction=True)
async def test_form_may_ask_the_database(strict: SocketIOCommunicator) -> None:
    assert connection.vendor
    assert await faults(strict, "form", {"name": "query"}) == [["asked", "form"]]


@pytest.mark.parametrize("name", ["form", "serializer"])
async def test_bug_in_a_form_or_serializer_costs_its_event_only(
    strict: SocketIOCommunicator, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await strict.call(name, {"name": "bug"})
    assert answer == {"error": {"code": "internal", "message": "Internal error"}}
    assert "a bug in the" in caplog.text
    assert await strict.call("say", "a", "b") == ["a", "b"]


async def test_permissions_are_asked_before_values_are_looked_at(
    strict: SocketIOCommunicator,
) -> None:
    assert (await strict.call("forbidden", "x"))["error"]["code"] == "forbidden"


async def test_answer_and_log_are_bounded_whatever_a_client_sends(
    strict: SocketIOCommunicator, caplog: pytest.LogCaptureFixture
) -> None:
    hostile = {f"{number}\n\ud800" + "x" * 10_000: "no" for number in range(1_000)}
    with caplog.at_level(logging.INFO):
        error = (await strict.call("sizes", hostile))["error"]
    assert len(error["errors"]) == MAX_FAULTS
    assert len(str(error)) < 20_000
    str(error).encode()
    [line] = [record.getMessage() for record in caplog.records]
    assert len(line) < 1_000
    assert "\n" not in line


async def test_deeply_nested_value_is_refused(strict: SocketIOCommunicator) -> None:
    leaf: dict[str, Any] = {"title": "a"}
    for _ in range(5_000):
        leaf = {"title": "a", "children": [leaf]}
    # As the message itself: no wire carries what is so deep.
    event = {"type": "socketio.event", "event": "pay", "args": [leaf], "ack_id": 0}
    await strict.send_input(event)
    _, answer = await strict.receive_ack()
    assert faults_of(answer) == [["depth", "leaf"]]


async def test_handler_may_refuse_arguments_by_itself() -> None:
    class Own(SocketIOConsumer):
        @event
        async def buy(self, count: int) -> None:
            raise BadArguments([{"path": ["count"], "message": "is sold out", "code": "sold_out"}])

    communicator = SocketIOCommunicator(Own)
    await communicator.connect()
    assert await faults(communicator, "buy", 1) == [["sold_out", "count"]]
    await communicator.disconnect()


def test_handler_without_annotations_has_nothing_to_check() -> None:
    assert Strict.handlers["untyped"].schema is None
    assert Strict.handlers["say"].schema is not None


# Descriptions


class Emitting(SocketIOConsumer):
    emits = {"moved": (int, Color), "sure?": Callable[[Options], bool], "closed": ()}

    @event
    def leaf(self, leaf: Leaf, model: Model, struct: Struct, point: Point) -> Model: ...

    @event
    def form(self, form: NameForm) -> NameSerializer: ...

    @event
    def odd(self, function: Any, *, ack: Any) -> NoSuchName: ...  # type: ignore[name-defined]  # noqa: F821


def described(consumer: type[SocketIOConsumer], route: str = "/a/<int:pk>/") -> Namespace:
    return Namespace(
        route=route,
        text="",
        received=[
            describe_received(name, handler.arguments, handler.function, consumer)
            for name, handler in consumer.handlers.items()
        ],
        sent=describe_sent(consumer.emitted.values()),
    )


def test_typescript_of_each_kind() -> None:
    text = typescript([described(Emitting)])
    for line in (
        "export type Leaf = { title: string; price?: number; children?: Leaf[] };",
        "export type Options = { name: string; limit?: number | null };",
        "export type Struct = { n: number };",
        "export interface APkClientToServerEvents {",
        "      | [function_: unknown, callback: (answer: unknown) => void]\n",
        '  moved: (arg1: number, arg2: "red") => void;',
        '  "sure?": (data: Options, callback: (answer: boolean) => void) => void;',
        "  closed: () => void;",
    ):
        assert line in text, text


def test_names_in_typescript_are_given_once() -> None:
    text = typescript([described(Emitting, "/a/b"), described(Emitting, "/a/<slug:b>")])
    for name in ("ABClientToServerEvents", "ABClientToServerEvents2"):
        assert text.count(f"interface {name} ") == 1
    assert text.count("type Leaf =") == 1


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str | None, "string | null"),
        (list[int | str], "(number | string)[]"),
        (tuple[int, str], "[number, string]"),
        (dict[str, bytes], "{ [key: string]: Binary }"),
        (Literal["a", 1, True], '"a" | 1 | true'),
        (list[Any], "unknown[]"),
        (Decimal, "string | number"),
        (Point, "[number, number]"),
    ],
    ids=repr,
)
def test_typescript_of_a_type(annotation: Any, expected: str) -> None:
    assert type_of(Reader().kind(annotation).schema(Definitions(), sent=False)) == expected


def test_emits_that_can_not_be_described_are_refused() -> None:
    with pytest.raises(TypeError, match=r"emits: 'saved' can't be described: .*User"):

        class Saved(SocketIOConsumer):
            emits = {"saved": User}

    with pytest.raises(TypeError, match="emits must be a dict of event names and types"):

        class Listed(SocketIOConsumer):
            emits: Any = ["saved"]


def test_emits_of_a_base_are_a_class_s_too() -> None:
    class More(Emitting):
        emits = {"more": int, "closed": str}

    assert list(More.emitted) == ["moved", "sure?", "closed", "more"]
    assert len(More.emitted["closed"].args) == 1


WITHOUT_LIBRARIES = """
import subprocess
import sys

for name in ("pydantic", "msgspec", "rest_framework"):
    sys.modules[name] = None

import django
from django.conf import settings

settings.configure()
django.setup()

from realtime import SocketIOConsumer, event


class Plain(SocketIOConsumer):
    @event
    async def add(self, numbers: list[int]) -> int: ...


print(Plain.handlers["add"].schema.load([[1, 2.0]]))
try:
    class Refused(SocketIOConsumer):
        @event
        async def add(self, numbers: set[int]) -> int: ...
except TypeError as error:
    print(error)
"""


def test_plain_types_need_no_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARIES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded, refused = done.stdout.splitlines()
    assert loaded == "[[1, 2]]"
    assert "the annotation of 'numbers' can't be checked: set[int]" in refused
