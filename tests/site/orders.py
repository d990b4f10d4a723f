"""A consumer whose events are declared in every way that there is."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pydantic
from django import forms
from django.contrib.auth.models import User
from django.core.validators import MaxLengthValidator, MinValueValidator
from rest_framework import serializers

from realtime import SocketIOConsumer, event, namespace


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Item:
    title: Annotated[str, MaxLengthValidator(20)]
    price: Decimal
    count: Annotated[int, MinValueValidator(1)] = 1
    size: Size = Size.SMALL
    parts: list["Item"] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.title == "nothing":
            raise ValueError("must be something")


class Order(TypedDict):
    id: UUID
    items: list[Item]
    wanted: NotRequired[date]
    note: str | None


class Placed(TypedDict):
    id: int
    at: datetime
    state: Literal["new", "paid"]


class Address(pydantic.BaseModel):
    street: str = pydantic.Field(min_length=2)
    zip: Annotated[int, pydantic.Field(gt=0)]
    label: bytes = b""
    other: "Address | None" = None


class Parcel(msgspec.Struct):
    weight: Annotated[float, msgspec.Meta(gt=0)]
    tags: list[str] = []


class NameForm(forms.Form):
    name = forms.CharField(max_length=10)
    picture = forms.FileField(required=False)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name == "bug":
            raise RuntimeError("the form has a bug")
        if User.objects.filter(username=name).exists():
            raise forms.ValidationError("is taken", code="taken")
        return name


class LineSerializer(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=10)
    count = serializers.IntegerField(min_value=1, default=1)


class OrderSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(read_only=True)
    lines = LineSerializer(many=True)
    buyer = serializers.SlugRelatedField(slug_field="username", queryset=User.objects.all())

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs["lines"]) > 2:
            raise serializers.ValidationError("at most two lines", code="too_many")
        if self.context["consumer"].namespace.endswith("/bug"):
            raise RuntimeError("the serializer has a bug")
        return attrs


@namespace("/orders/<slug:shop>")
class OrderConsumer(SocketIOConsumer):
    """Orders of a shop."""

    emits = {
        "placed": Placed,
        "moved": (int, Size),
        "closed": (),
        "label": bytes,
        "confirm": Callable[[str], bool],
    }

    @event
    async def place(self, order: Order, gift: bool = False) -> Placed:
        """Places an order.

        The shop hears of it.
        """
        at = datetime.fromisoformat("2026-11-25T10:00:00+00:00")
        placed: Placed = {"id": len(order["items"]), "at": at, "state": "new"}
        await self.emit("placed", placed)
        return placed

    @event
    async def say(self, room: str, text: str) -> None: ...

    @event("add up")
    async def add_up(self, *numbers: float) -> float:
        return sum(numbers)

    @event
    async def pair(self, text: str, default: int = 1) -> tuple[str, int]:
        return text, default

    @event
    async def move(self, address: Address) -> dict[str, Any]:
        return {"street": address.street, "zip": address.zip, "label": address.label}

    @event("send")
    async def ship(self, parcel: Parcel) -> float:
        return parcel.weight

    @event("name")
    def choose_name(self, form: NameForm) -> dict[str, int]:
        picture = form.cleaned_data["picture"]
        return {form.cleaned_data["name"]: picture.size if picture else 0}

    @event
    def order(self, order: OrderSerializer) -> list[str]:
        return [line["title"] for line in order.validated_data["lines"]]

    @event
    async def untyped(self, anything, default=None):  # type: ignore[no-untyped-def]
        return anything
