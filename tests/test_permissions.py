"""Permission classes: what they are made of, and what a single event asks."""

import functools
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User

from realtime import ConnectionRefused, SocketIOConsumer, event
from realtime.permissions import AllowAny, BasePermission, HasPermission, IsAuthenticated, IsStaff
from realtime.testing import SocketIOCommunicator

STAFF = User(pk=1, username="staff", is_staff=True)
ADA = User(pk=2, username="ada")
NOBODY = AnonymousUser()


class MayWrite(BasePermission):
    """Says something of events only; a plain method, which may use the ORM."""

    message = "You may read, not write."
    code = "read_only"

    def may_handle(self, consumer: Any, event: str, args: list[Any]) -> bool:
        return event != "write"


async def outcome(permission: Any, user: Any, name: str = "write") -> str:
    """What becomes of an event in a consumer with the permission: a code, or "done"."""

    class Notes(SocketIOConsumer):
        permission_classes = [permission]

        @event
        async def write(self) -> str:
            return "done"

        @event
        async def read(self) -> str:
            return "done"

    client = SocketIOCommunicator(Notes, user=user)
    try:
        await client.connect()
    except ConnectionRefused as refused:
        return f"no connection: {refused.data['code']}"
    answer = await client.call(name)
    await client.disconnect()
    return str(answer["error"]["code"]) if isinstance(answer, dict) else answer


@pytest.mark.parametrize(
    ("permission", "user", "expected"),
    [
        (IsAuthenticated & IsStaff, STAFF, "done"),
        (IsAuthenticated & IsStaff, ADA, "no connection: forbidden"),
        (IsStaff | IsAuthenticated, ADA, "done"),
        (IsStaff | IsAuthenticated, NOBODY, "no connection: forbidden"),
        (~IsAuthenticated, NOBODY, "done"),
        (~IsAuthenticated, ADA, "no connection: forbidden"),
        (~AllowAny, STAFF, "no connection: forbidden"),
        (~(IsStaff | IsAuthenticated), NOBODY, "done"),
        (IsStaff | HasPermission("auth.change_user"), STAFF, "done"),
        (MayWrite, ADA, "read_only"),
        # Who may connect in one way may send in the same way only.
        (IsStaff | MayWrite, ADA, "forbidden"),
        (IsStaff | MayWrite, STAFF, "done"),
        (IsAuthenticated & MayWrite, ADA, "read_only"),
        (~MayWrite, ADA, "done"),
        # What is inside of `|` and `~` stays as it is.
        (IsStaff | (IsAuthenticated & MayWrite), ADA, "forbidden"),
        (IsStaff | (IsAuthenticated & ~IsAuthenticated), ADA, "no connection: forbidden"),
        (~IsAuthenticated | (IsAuthenticated & IsStaff), STAFF, "done"),
        (~(IsAuthenticated & IsStaff), ADA, "done"),
        (~(IsAuthenticated & IsStaff), STAFF, "no connection: forbidden"),
        (
            (IsStaff | IsAuthenticated) & (IsAuthenticated & IsStaff),
            ADA,
            "no connection: forbidden",
        ),
    ],
    ids=str,
)
async def test_permissions_are_composed(permission: Any, user: Any, expected: str) -> None:
    assert await outcome(permission, user) == expected


async def test_permission_turned_round_refuses_the_other_events() -> None:
    assert await outcome(~MayWrite, ADA, "read") == "forbidden"


def test_composed_permission_shows_what_it_is_made_of() -> None:
    composed = (IsAuthenticated & HasPermission("shop.add_order")) | ~IsStaff
    assert repr(composed) == "((IsAuthenticated & HasPermission) | ~IsStaff)"


async def test_message_is_that_of_the_part_that_refuses() -> None:
    class Staff(SocketIOConsumer):
        permission_classes = [IsAuthenticated & IsStaff]

    with pytest.raises(ConnectionRefused, match="Only staff"):
        await SocketIOCommunicator(Staff, user=ADA).connect()
    with pytest.raises(ConnectionRefused, match="Log in first"):
        await SocketIOCommunicator(Staff, user=NOBODY).connect()


class Shop(SocketIOConsumer):
    permission_classes = [MayWrite]

    @event
    async def look(self) -> str:
        return "looked"

    @event(permission_classes=[IsAuthenticated, IsStaff])
    async def price(self, value: int) -> int:
        return value

    @event("write", permission_classes=[IsStaff])
    def write(self) -> None:
        raise AssertionError("must not run")


@pytest.mark.parametrize(
    ("user", "message"), [(NOBODY, "Log in first."), (ADA, "Only staff may do this.")], ids=str
)
async def test_single_event_asks_its_own_permissions(user: Any, message: str) -> None:
    client = SocketIOCommunicator(Shop, user=user)
    await client.connect()
    assert await client.call("look") == "looked"
    # Before the arguments are checked: who may not is told nothing of them.
    answer = await client.call("price", "free")
    assert answer == {"error": {"code": "forbidden", "message": message}}
    await client.disconnect()


async def test_permissions_of_the_consumer_go_before_those_of_the_event() -> None:
    client = SocketIOCommunicator(Shop, user=STAFF)
    await client.connect()
    assert await client.call("price", 7) == 7
    assert (await client.call("write"))["error"]["code"] == "read_only"
    await client.disconnect()


def test_what_is_no_permission_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="permission_classes takes subclasses"):

        class Consumer(SocketIOConsumer):
            permission_classes = [str]

    with pytest.raises(TypeError, match="permission_classes takes subclasses"):

        @event(permission_classes=[None])
        def handler(self: Any) -> None: ...


@pytest.mark.parametrize(
    "wrong", [IsStaff, IsStaff(), "IsStaff", None], ids=lambda it: repr(it)[:9]
)
def test_permission_that_is_not_in_a_list_is_refused_with_how_to_write_it(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a list, such as \[.*IsStaff|\[None"):

        class Consumer(SocketIOConsumer):
            permission_classes = wrong

    with pytest.raises(TypeError, match=r"must be a list, such as \[.*IsStaff|\[None"):
        event(permission_classes=wrong)


def decorated(function: Any) -> Any:
    """As many decorators are: plain, around a function of either kind."""

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


class Never(BasePermission):
    @decorated
    async def may_connect(self, consumer: Any) -> bool:
        return False


class NeverAnEvent(BasePermission):
    def may_handle(self, consumer: Any, event: str, args: list[Any]) -> Any:
        return self.ask_elsewhere()

    async def ask_elsewhere(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        (Never, "no connection: forbidden"),
        (IsStaff & Never, "no connection: forbidden"),
        (~Never, "done"),
        (NeverAnEvent, "forbidden"),
        (NeverAnEvent | Never, "forbidden"),
    ],
    ids=repr,
)
async def test_answer_that_is_still_to_be_awaited_is_no_yes(permission: Any, expected: str) -> None:
    assert await outcome(permission, STAFF) == expected


class InAGroup(BasePermission):
    def may_connect(self, consumer: Any) -> Any:
        return Group.objects.filter(name="readers")


class MayUseAGroup(BasePermission):
    def may_handle(self, consumer: Any, event: str, args: list[Any]) -> Any:
        return Group.objects.filter(name="readers")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("permission", [InAGroup, MayUseAGroup, InAGroup & MayUseAGroup], ids=repr)
async def test_queryset_is_an_answer(permission: Any) -> None:
    refusals = ("forbidden", "no connection: forbidden")
    assert await outcome(permission, STAFF) in refusals
    await Group.objects.acreate(name="readers")
    assert await outcome(permission, STAFF) == "done"


async def test_handler_behind_a_plain_decorator_is_called() -> None:
    class Notes(SocketIOConsumer):
        @event
        @decorated
        async def write(self, text: str) -> str:
            return f"wrote {text}"

        @event
        @decorated
        def read(self) -> str:
            return "read"

    client = SocketIOCommunicator(Notes, user=ADA)
    await client.connect()
    assert await client.call("write", "it") == "wrote it"
    assert await client.call("read") == "read"
    await client.disconnect()
