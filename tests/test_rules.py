"""Rooms that clients join by rules, and what becomes of members when the rules change their mind.

On the real server, without a network; with processes it is in live/test_rules.py.
"""

import asyncio
import html
import inspect
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import OperationalError, models, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.http import Http404

from realtime import (
    ConnectionRefused,
    EventError,
    SocketIOConsumer,
    arecheck,
    emit,
    event,
    fetch_sockets,
    leave_sockets,
    namespace,
    presence,
    recheck,
    room,
    routing,
)
from realtime.authentication import SignedTokenAuthentication, make_token
from realtime.consumers.group_messages import method_for
from realtime.exceptions import RoomError, SyncEmitInAsyncCode
from realtime.permissions import BasePermission, HasPermission, IsStaff
from realtime.rules import asking, rechecks
from realtime.rules.joining import admit
from realtime.testing import (
    SocketIOClient,
    SocketIOCommunicator,
    assert_emitted,
    capture_emits,
    operations,
)
from tests.orders.models import Board, GiftOrder, Order, Tag, UrgentOrder, Watch

FORBIDDEN = {"error": {"code": "forbidden", "message": "You may not join this room."}}
OUT = {"code": "forbidden", "message": "You may no longer be in this room."}


@pytest.fixture(autouse=True)
def declarations() -> Iterator[None]:
    """What a test declares is forgotten at its end."""
    signals: list[Any] = [m2m_changed, post_delete, post_save, pre_delete, pre_save]
    kept, routes = [signal.receivers[:] for signal in signals], list(routing._routes)
    yield
    routing._routes[:] = routes
    for signal, receivers in zip(signals, kept, strict=True):
        signal.receivers[:] = receivers
        signal.sender_receivers_cache.clear()


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def grace(db: None) -> User:
    return User.objects.create_user("grace")


@pytest.fixture
def order(ada: User) -> Order:
    return Order.objects.create(owner=ada)


@pytest.fixture
def shop() -> type[SocketIOConsumer]:
    @namespace("/shop")
    class Shop(SocketIOConsumer):
        @room("orders.<int:pk>", model=Order, recheck_on_save=True)
        def order(self, order: Order) -> bool:
            return order.owner == self.user

        @room("teams.<slug:team>.<int:floor>")
        async def team(self, team: str, floor: int) -> bool:
            await asyncio.sleep(0)
            return team == self.user.username and floor == 7

        @room("staff", presence=True)
        def staff(self) -> bool:
            return bool(self.user.is_staff)

        @room("tagged.<name>", model=Tag.objects.exclude(name="hidden"))
        def tag(self, tag: Tag) -> Any:
            return tag.orders.filter(owner=self.user.pk)

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    return Shop


@pytest.fixture
def connect(shop: type[SocketIOConsumer]) -> Iterator[Callable[..., SocketIOClient]]:
    clients = []

    def connect(user: User | None = None, namespace: str = "/shop") -> SocketIOClient:
        client = SocketIOClient(namespace, raise_exceptions=False)
        if user is not None:
            client.force_login(user)
        clients.append(client.connect())
        return client

    yield connect
    for client in clients:
        client.disconnect()


Connect = Callable[..., SocketIOClient]


def join(client: SocketIOClient, name: Any) -> Any:
    return client.call("room:join", name)


# Joining


def test_member_is_in_the_room_and_in_that_of_the_instance(
    connect: Connect, ada: User, order: Order
) -> None:
    client, name = connect(ada), f"orders.{order.pk}"
    assert join(client, name) == {"room": name}
    assert client.call("where") == [
        f"orders.{order.pk}",
        f"~auth.user:{ada.pk}",
        f"~orders.order:{order.pk}",
    ]
    emit("paid", 1, to=order, namespace="/shop")
    emit("paid", 2, to=name, namespace="/shop")
    emit("paid", 3, to=[order, name], namespace="/shop")
    assert client.received("paid") == [1, 2, 3]
    # Again is no error, and no second membership.
    assert join(client, name) == {"room": name}
    assert client.call("room:leave", name) == {"room": name}
    assert client.call("where") == [f"~auth.user:{ada.pk}"]


def test_answer_is_the_same_for_what_is_not_there(
    connect: Connect, grace: User, order: Order
) -> None:
    for client in (connect(grace), connect()):
        for pk in (str(order.pk), "0", "99999999999999999999"):
            assert join(client, f"orders.{pk}") == FORBIDDEN
        assert not any(name.startswith("orders") for name in client.call("where"))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("orders.x", "unknown_room"),
        ("orders.7\n", "unknown_room"),
        ("orders.07", "unknown_room"),
        ("lobby", "unknown_room"),
        ("~auth.user:1", "unknown_room"),
        ("", "bad_room"),
        ("x" * 201, "bad_room"),
        ("\ud800", "bad_room"),
        (7, "bad_arguments"),
        (None, "bad_arguments"),
        (["staff"], "bad_arguments"),
    ],
    ids=str,
)
def test_bad_name_is_refused(connect: Connect, db: None, name: Any, code: str) -> None:
    client = connect()
    assert join(client, name)["error"]["code"] == code
    assert client.call("room:leave", name)["error"]["code"] == code


@pytest.mark.parametrize("debug", [True, False])
def test_rooms_that_there_are_are_told_in_development(
    connect: Connect, db: None, settings: Any, debug: bool
) -> None:
    settings.DEBUG = debug
    message = join(connect(), "order.7")["error"]["message"]
    assert message.startswith("There is no such room to join")
    assert ("'orders.<int:pk>'" in message) is debug


def test_async_rule_gets_what_the_converters_found(connect: Connect, ada: User) -> None:
    client = connect(ada)
    assert join(client, "teams.ada.7") == {"room": "teams.ada.7"}
    assert join(client, "teams.ada.8") == FORBIDDEN
    assert join(client, "teams.grace.7") == FORBIDDEN


def test_queryset_is_looked_in_and_is_an_answer(connect: Connect, ada: User, order: Order) -> None:
    for name in ("red", "hidden", "blue"):
        Tag.objects.create(name=name)
    order.tags.set(Tag.objects.exclude(name="blue"))
    client = connect(ada)
    assert join(client, "tagged.red") == {"room": "tagged.red"}
    assert join(client, "tagged.hidden") == FORBIDDEN
    assert join(client, "tagged.blue") == FORBIDDEN


def test_user_is_read_anew_for_the_rule(connect: Connect, ada: User) -> None:
    client = connect(ada)
    assert join(client, "staff") == FORBIDDEN
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    assert join(client, "staff")["room"] == "staff"


def test_presence_is_told_in_the_ack_and_in_events(connect: Connect, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    client = connect(ada)
    (person,) = join(client, "staff")["present"]
    assert (person["id"], person["name"]) == (str(ada.pk), "ada")
    assert [present.user.name for present in presence("staff", "/shop")] == ["ada"]
    client.call("room:leave", "staff")
    assert client.call("where") == [f"~auth.user:{ada.pk}"]


def test_members_of_a_room_about_a_user_do_not_hear_what_is_for_the_user(
    connect: Connect, ada: User, grace: User
) -> None:
    @namespace("/profiles")
    class Profiles(SocketIOConsumer):
        @room("profiles.<int:pk>", model=User)
        def profile(self, user: User) -> bool:
            return True

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    client = connect(grace, "/profiles")
    assert join(client, f"profiles.{ada.pk}") == {"room": f"profiles.{ada.pk}"}
    assert client.call("where") == [f"profiles.{ada.pk}", f"~auth.user:{grace.pk}"]


def test_code_that_put_a_socket_into_the_room_of_an_instance_is_not_undone(
    connect: Connect, ada: User, order: Order
) -> None:
    @namespace("/desk")
    class Desk(SocketIOConsumer):
        async def connect(self, auth: Any) -> None:
            await self.join(order)

        @room("orders.<int:pk>", model=Order)
        def order(self, order: Order) -> bool:
            return True

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    client = connect(None, "/desk")
    join(client, f"orders.{order.pk}")
    client.call("room:leave", f"orders.{order.pk}")
    assert client.call("where") == [f"~orders.order:{order.pk}"]


def test_member_whom_an_operation_takes_out_of_one_room_is_in_neither(
    connect: Connect, ada: User, order: Order
) -> None:
    client = connect(ada)
    join(client, f"orders.{order.pk}")
    leave_sockets(order, namespace="/shop")
    assert client.call("where") == [f"~auth.user:{ada.pk}"]
    join(client, f"orders.{order.pk}")
    leave_sockets(f"orders.{order.pk}", namespace="/shop")
    assert client.call("where") == [f"~auth.user:{ada.pk}"]


def test_member_in_too_many_rooms_is_in_neither(
    connect: Connect, ada: User, order: Order, settings: Any
) -> None:
    settings.REALTIME = {"MAX_ROOMS": 2}
    client = connect(ada)
    assert join(client, f"orders.{order.pk}")["error"]["code"] == "bad_room"
    assert client.call("where") == [f"~auth.user:{ada.pk}"]


def test_two_names_of_an_instance_share_its_room(connect: Connect, ada: User, order: Order) -> None:
    @namespace("/names")
    class Names(SocketIOConsumer):
        @room("orders.<team__iexact>", model=Order)
        def order(self, order: Order) -> bool:
            return True

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    client, its = connect(None, "/names"), f"~orders.order:{order.pk}"
    for name in ("orders.red", "orders.RED", "orders.red"):
        assert join(client, name) == {"room": name}
    client.call("room:leave", "orders.red")
    assert client.call("where") == ["orders.RED", its]
    leave_sockets("orders.RED", namespace="/names")
    assert client.call("where") == []


async def test_rule_is_no_method_for_group_messages() -> None:
    """Their types may come from a client's text."""

    class Consumer(SocketIOConsumer):
        @room("it")
        async def it(self) -> bool:
            raise AssertionError("must not be asked")

    with pytest.raises(ValueError, match="has no method it"):
        method_for(Consumer(), {"type": "it"}, frozenset())


# Rules that fail


class Boom(Exception):
    pass


async def never() -> bool:
    return True


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        (Boom(), {"error": {"code": "internal", "message": "Internal error"}}),
        (Http404(), FORBIDDEN),
        (PermissionDenied(), FORBIDDEN),
        (
            EventError("Pay first.", "unpaid"),
            {"error": {"code": "unpaid", "message": "Pay first."}},
        ),
        (None, FORBIDDEN),
        (0, FORBIDDEN),
        ("yes", {"room": "it"}),
        # True as it is, and no answer: it was not awaited.
        (never, {"error": {"code": "internal", "message": "Internal error"}}),
    ],
    ids=["bug", "404", "denied", "event error", "None", "zero", "true", "coroutine"],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async"])
async def test_what_a_rule_may_come_to(
    does: Any, expected: Any, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def say() -> Any:
        if isinstance(does, Exception):
            raise does
        return does() if callable(does) else does

    class Consumer(SocketIOConsumer):
        if is_async:

            @room("it")
            async def it(self) -> Any:
                return say()
        else:

            @room("it")
            def it(self) -> Any:
                return say()

    client = SocketIOCommunicator(Consumer, user=AnonymousUser())
    await client.connect()
    assert await client.call("room:join", "it") == expected
    assert ("it" in client.rooms) == (expected == {"room": "it"})
    await client.disconnect()
    is_internal = "error" in expected and expected["error"]["code"] == "internal"
    assert ("room:join" in caplog.text and "raised" in caplog.text) == is_internal


# Revoked means gone


def gone(client: SocketIOClient, name: str) -> bool:
    return client.received("room:left") == [(name, OUT)] and name not in client.call("where")


def test_save_takes_out_who_may_no_longer_be_in(
    connect: Connect, ada: User, grace: User, order: Order
) -> None:
    client, name = connect(ada), f"orders.{order.pk}"
    join(client, name)
    with capture_emits():
        order.status = "paid"
        order.save()
    assert client.received("room:left") == []
    with capture_emits():
        order.owner = grace
        order.save()
    assert gone(client, name)
    emit("paid", to=order, namespace="/shop")
    assert client.received("paid") == []
    assert join(client, name) == FORBIDDEN


@pytest.mark.parametrize("model", [Order, UrgentOrder, GiftOrder])
def test_deletion_takes_members_out(connect: Connect, ada: User, model: type[Order]) -> None:
    order = model.objects.create(owner=ada)
    client, name = connect(ada), f"orders.{order.pk}"
    join(client, name)
    with capture_emits():
        order.delete()
    assert gone(client, name)


@pytest.mark.parametrize(
    "change", ["remove", "reverse", "clear", "reverse clear", "delete", "other deleted"]
)
def test_changed_relation_takes_members_out(connect: Connect, ada: User, change: str) -> None:
    @namespace("/tags")
    class Tags(SocketIOConsumer):
        @room("orders.<int:pk>", model=Order, recheck_on_save=True)
        def order(self, order: Order) -> bool:
            return order.tags.exists()

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    order, tag = Order.objects.create(), Tag.objects.create(name="red")
    order.tags.add(tag)
    client = connect(ada, "/tags")
    join(client, f"orders.{order.pk}")
    with capture_emits():
        {
            "remove": lambda: order.tags.remove(tag),
            "reverse": lambda: tag.orders.remove(order),
            "clear": lambda: order.tags.clear(),
            "reverse clear": lambda: tag.orders.clear(),
            "delete": lambda: order.delete(),
            "other deleted": lambda: Tag.objects.filter(name="red").delete(),
        }[change]()
    assert gone(client, f"orders.{order.pk or name_of(client)}")


@pytest.mark.parametrize("change", ["remove", "reverse", "clear", "reverse clear", "delete"])
def test_relation_that_the_other_model_declares_takes_members_out(
    connect: Connect, ada: User, change: str
) -> None:
    @namespace("/tags")
    class Tags(SocketIOConsumer):
        @room("tags.<int:pk>", model=Tag, recheck_on_save=True)
        def tag(self, tag: Tag) -> bool:
            return tag.orders.filter(owner=self.user).exists()

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    order, tag = Order.objects.create(owner=ada), Tag.objects.create(name="red")
    order.tags.add(tag)
    client, name = connect(ada, "/tags"), f"tags.{tag.pk}"
    assert join(client, name) == {"room": name}
    with capture_emits():
        {
            "remove": lambda: order.tags.remove(tag),
            "reverse": lambda: tag.orders.remove(order),
            "clear": lambda: order.tags.clear(),
            "reverse clear": lambda: tag.orders.clear(),
            "delete": lambda: order.delete(),
        }[change]()
    assert gone(client, name)


@pytest.mark.parametrize("change", ["delete", "delete all", "board", "user", "other side"])
def test_relation_with_rows_of_a_model_takes_members_out(
    connect: Connect, ada: User, grace: User, change: str
) -> None:
    @namespace("/boards")
    class Boards(SocketIOConsumer):
        @room("boards.<int:pk>", model=Board, recheck_on_save=True)
        def board(self, board: Board) -> bool:
            return board.watchers.distinct().count() == 2

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    board, other = Board.objects.create(), Board.objects.create()
    row = Watch.objects.create(board=board, user=grace)
    Watch.objects.create(board=board, user=ada)
    client, name = connect(ada, "/boards"), f"boards.{board.pk}"
    assert join(client, name) == {"room": name}

    def save(**values: Any) -> None:
        for attribute, value in values.items():
            setattr(row, attribute, value)
        row.save()

    with capture_emits():
        {
            "delete": lambda: row.delete(),
            "delete all": lambda: Watch.objects.filter(user=grace).delete(),
            "board": lambda: save(board=other),
            "user": lambda: save(user=ada),
            "other side": lambda: User.objects.filter(username="grace").delete(),
        }[change]()
    assert gone(client, name)


def test_relation_on_which_rights_depend_takes_members_out_too(
    connect: Connect, ada: User, grace: User
) -> None:
    @namespace("/profiles")
    class Profiles(SocketIOConsumer):
        @room("profiles.<int:pk>", model=User, recheck_on_save=True)
        def profile(self, user: User) -> bool:
            return user.groups.exists()

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    grace.groups.add(Group.objects.create(name="shown"))
    client, name = connect(ada, "/profiles"), f"profiles.{grace.pk}"
    assert join(client, name) == {"room": name}
    with capture_emits():
        grace.groups.clear()
    assert gone(client, name)


class Downcast(models.QuerySet[Order]):
    """Gives children, as the managers of django-polymorphic and django-model-utils do."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        order = super().get(*args, **kwargs)
        return GiftOrder.objects.filter(pk=order.pk).first() or order


@pytest.mark.parametrize("saved", [Order, GiftOrder])
def test_instance_of_a_child_is_one_of_the_rules_model(
    connect: Connect, ada: User, saved: type[Order]
) -> None:
    @namespace("/cast")
    class Cast(SocketIOConsumer):
        @room("orders.<int:pk>", model=Downcast(Order), recheck_on_save=True)
        def order(self, order: Order) -> bool:
            return isinstance(order, GiftOrder) and order.owner == self.user

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    gift = GiftOrder.objects.create(owner=ada)
    client, name = connect(ada, "/cast"), f"orders.{gift.pk}"
    assert join(client, name) == {"room": name}
    emit("wrapped", to=gift, namespace="/cast")
    assert client.received("wrapped") == [()]
    order = saved.objects.get(pk=gift.pk)
    with capture_emits():
        order.save()
    assert client.received("room:left") == []
    order.owner = None
    with capture_emits():
        order.save()
    assert gone(client, name)


def test_saved_parent_takes_members_of_its_child_out(connect: Connect, ada: User) -> None:
    @namespace("/gifts")
    class Gifts(SocketIOConsumer):
        @room("gifts.<int:pk>", model=GiftOrder, recheck_on_save=True)
        def gift(self, gift: GiftOrder) -> bool:
            return gift.owner == self.user

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    gift = GiftOrder.objects.create(owner=ada)
    client, name = connect(ada, "/gifts"), f"gifts.{gift.pk}"
    assert join(client, name) == {"room": name}
    order = Order.objects.get(pk=gift.pk)
    order.owner = None
    with capture_emits():
        order.save()
    assert gone(client, name)


def name_of(client: SocketIOClient) -> str:
    ((name, _),) = client.received("room:left")
    return str(name).removeprefix("orders.")


def test_rolled_back_change_takes_nobody_out(
    connect: Connect, ada: User, grace: User, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, name = connect(ada), f"orders.{order.pk}"
    join(client, name)
    told: list[Any] = []
    monkeypatch.setattr("realtime.rules.news.tell", told.append)
    with capture_emits():
        for _ in range(2):
            recheck(name)
            order.save()
        try:
            with transaction.atomic():
                recheck("another")
                raise Boom
        except Boom:
            pass
    # Once for the transaction, and without what was rolled back.
    (notice,) = told
    assert notice == {"recheck": [["room", None, name], ["instance", f"~orders.order:{order.pk}"]]}


@pytest.mark.parametrize("by", ["instance", "user", "name", "namespace"])
def test_recheck_by_hand(connect: Connect, ada: User, grace: User, order: Order, by: str) -> None:
    client, other = connect(ada), connect(grace)
    name = f"orders.{order.pk}"
    join(client, name)
    Order.objects.filter(pk=order.pk).update(owner=grace)
    join(other, name)
    with capture_emits():
        match by:
            case "instance":
                recheck(order)
            case "user":
                recheck(ada)
            case "name":
                recheck(name, namespace="/shop")
            case "namespace":
                recheck(namespace="/shop")
    assert gone(client, name)
    assert other.received("room:left") == []


def test_recheck_is_for_what_it_names(
    connect: Connect, ada: User, grace: User, order: Order
) -> None:
    client = connect(ada)
    join(client, f"orders.{order.pk}")
    Order.objects.filter(pk=order.pk).update(owner=grace)
    with capture_emits():
        recheck(grace, "orders.0", Order(pk=order.pk + 1))
        recheck(f"orders.{order.pk}", namespace="/elsewhere")
    assert client.received("room:left") == []


def test_recheck_takes_lists_and_children(connect: Connect, ada: User, grace: User) -> None:
    orders: list[Order] = [Order.objects.create(owner=ada), GiftOrder.objects.create(owner=ada)]
    client, names = connect(ada), [f"orders.{order.pk}" for order in orders]
    for name in names:
        join(client, name)
    with capture_emits():
        Order.objects.update(owner=grace)
        recheck(Order.objects.none())
    assert client.received("room:left") == []
    with capture_emits():
        recheck(Order.objects.filter(pk=orders[0].pk), [orders[1]])
    assert sorted(client.received("room:left")) == [(name, OUT) for name in names]


def test_recheck_refuses_what_it_cannot_tell() -> None:
    for target in (Order(), AnonymousUser(), 7, Order):
        with pytest.raises(RoomError):
            recheck(target)
    with pytest.raises(TypeError, match="takes what has changed"):
        recheck()


async def test_recheck_in_async_code_has_a_twin() -> None:
    with pytest.raises(SyncEmitInAsyncCode, match="await arecheck"):
        recheck("staff")
    await arecheck("staff", namespace="/shop")
    (asked,) = operations
    assert (asked.name, asked.arguments) == (
        "recheck",
        {"targets": ("staff",), "namespace": "/shop"},
    )


def test_rule_that_raises_when_it_is_asked_again_is_a_no(
    connect: Connect, ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    broken: list[Exception] = []

    @namespace("/broken")
    class Broken(SocketIOConsumer):
        def say(self) -> bool:
            if broken:
                raise broken[0]
            return True

        @room("plain")
        def plain(self) -> bool:
            return self.say()

        @room("async")
        async def asynchronous(self) -> bool:
            return self.say()

    client = connect(ada, "/broken")
    for name in ("plain", "async"):
        assert join(client, name) == {"room": name}
    broken.append(Boom())
    with capture_emits():
        recheck(ada)
    failed = {"code": "internal", "message": "The rule of this room failed."}
    assert sorted(client.received("room:left")) == [("async", failed), ("plain", failed)]
    assert caplog.text.count("raised when it was asked again") == 2
    assert caplog.text.count("Boom") >= 2


@pytest.mark.parametrize("patience", [0.0, 60.0], ids=["too long", "a while"])
def test_database_that_is_away_is_no_answer_yet(
    connect: Connect, ada: User, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    failures: list[Exception] = []

    @namespace("/away")
    class Away(SocketIOConsumer):
        @room("it")
        def it(self) -> bool:
            if failures:
                raise failures.pop()
            return True

    monkeypatch.setattr(rechecks, "GIVE_UP", patience)
    monkeypatch.setattr(rechecks, "RETRY", 0.0)
    client = connect(ada, "/away")
    join(client, "it")
    failures += [OperationalError("the database is away") for _ in range(3)]
    with capture_emits():
        recheck("it")
    out = ("it", {"code": "internal", "message": "The rule of this room failed."})
    if patience:
        while failures:
            assert client.received("room:left") == []
        assert client.received("room:left") == []
    else:
        assert client.received("room:left") == [out]


@pytest.mark.parametrize(
    "change", ["user", "group", "user of the group", "group deleted", "permission", "is_staff"]
)
def test_changed_rights_are_asked_about_again(connect: Connect, ada: User, change: str) -> None:
    @namespace("/rights")
    class Rights(SocketIOConsumer):
        permission_classes = [HasPermission("auth.view_group") | IsStaff]

        @room("readers")
        def readers(self) -> bool:
            return self.user.has_perm("auth.view_user") or self.user.is_staff

        @event(permission_classes=[HasPermission("auth.view_user") | IsStaff])
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    view_group = Permission.objects.get(codename="view_group")
    view_user = Permission.objects.get(codename="view_user")
    group = Group.objects.create(name="readers")
    group.permissions.add(view_user)
    ada.user_permissions.add(view_group)
    if change == "is_staff":
        ada.is_staff = True
        ada.save()
    elif change == "user":
        ada.user_permissions.add(view_user)
    else:
        ada.groups.add(group)
    client = connect(ada, "/rights")
    assert join(client, "readers") == {"room": "readers"}
    assert "readers" in client.call("where")

    def take_staff() -> None:
        ada.is_staff = False
        ada.save(update_fields=["is_staff"])

    with capture_emits():
        {
            "user": lambda: ada.user_permissions.remove(view_user),
            "group": lambda: group.permissions.clear(),
            "user of the group": lambda: group.user_set.clear(),
            "group deleted": lambda: group.delete(),
            "permission": lambda: view_user.delete(),
            "is_staff": take_staff,
        }[change]()
    assert client.received("room:left") == [("readers", OUT)]
    # What single events ask sees the new rights as well.
    assert client.call("where")["error"]["code"] == "forbidden"
    assert client.connected
    with capture_emits():
        ada.user_permissions.clear()
    client.received()
    assert not client.connected


def test_what_changes_no_rights_tells_nobody(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("realtime.rules.news.tell", told.append)
    with capture_emits():
        ada.save(update_fields=["last_login"])
        User.objects.create_user("grace")
        Order.objects.create(owner=ada)
    assert told == []
    with capture_emits():
        ada.save()
        ada.groups.add(Group.objects.create(name="readers"))
    assert told == [{"recheck": [["user", f"~auth.user:{ada.pk}"]]}]


def test_rule_may_be_asked_while_connecting(connect: Connect, ada: User) -> None:
    """As for a client that comes back to the rooms that it was in."""
    allowed = [True]

    @namespace("/back")
    class Back(SocketIOConsumer):
        async def connect(self, auth: Any) -> None:
            await admit(self, "it")

        @room("it", presence=True)
        def it(self) -> bool:
            return allowed[0]

    client = connect(ada, "/back")
    assert [person.user.name for person in presence("it", "/back")] == ["ada"]
    allowed.clear()
    allowed.append(False)
    with capture_emits():
        recheck("it")
    assert client.received("room:left") == [("it", OUT)]
    with pytest.raises(ConnectionRefused):
        connect(ada, "/back")


def test_socket_that_becomes_somebody_else_is_asked_about_again(
    connect: Connect, ada: User, grace: User
) -> None:
    @namespace("/guise")
    class Guise(SocketIOConsumer):
        @room("ada")
        def ada(self) -> bool:
            return bool(self.user == ada)

        @event
        async def become(self) -> None:
            self.scope["user"] = grace
            await self.send({"type": "socketio.identify", "user": None, "login": None})

    client = connect(ada, "/guise")
    assert join(client, "ada") == {"room": "ada"}
    client.call("become")
    assert client.received("room:left") == [("ada", OUT)]


def test_socket_that_joined_by_code_is_not_asked_about(connect: Connect, ada: User) -> None:
    @namespace("/code")
    class Code(SocketIOConsumer):
        async def connect(self, auth: Any) -> None:
            await self.join("it")

        @room("it")
        def it(self) -> bool:
            return False

        @event
        async def where(self) -> list[str]:
            return sorted(self.rooms)

    client = connect(None, "/code")
    assert join(client, "it") == FORBIDDEN
    with capture_emits():
        recheck("it")
    assert client.call("where") == ["it"]


def test_change_while_a_rule_is_asked_is_not_missed(connect: Connect, ada: User) -> None:
    """The rule has read what is no longer so when the news comes, and the socket is not in yet."""
    allowed = [True]

    @namespace("/slow")
    class Slow(SocketIOConsumer):
        @room("it")
        async def it(self) -> bool:
            answer = allowed[0]
            if answer:
                allowed[0] = False
                await arecheck("it")
                await asyncio.sleep(0.01)
            return answer

    client = connect(ada, "/slow")
    assert join(client, "it") == {"room": "it"}
    assert client.received("room:left") == [("it", OUT)]


async def test_rule_may_be_asked_of_one_client_and_one_room() -> None:
    asked: list[str] = []

    class Consumer(SocketIOConsumer):
        @room("rooms.<name>")
        async def rooms_(self, name: str) -> bool:
            return name == "open"

        @event
        async def ask(self, name: str) -> bool:
            asked.append(name)
            return await asking.may_be_in(self, name)

        @event
        async def enter(self, name: str) -> None:
            await admit(self, name)

    client = SocketIOCommunicator(Consumer)
    await client.connect()
    assert await client.call("ask", "rooms.open") is True
    assert await client.call("ask", "rooms.closed") is False
    assert await client.call("ask", "no rule has it") is True
    assert await client.call("enter", "rooms.closed") == FORBIDDEN
    assert await client.call("enter", "rooms.open") is None
    assert client.rooms == {"rooms.open"}
    await client.disconnect()


def test_user_of_a_token_is_asked_about_like_any_other(ada: User, order: Order) -> None:
    @namespace("/tokens")
    class Tokens(SocketIOConsumer):
        authentication_classes = [SignedTokenAuthentication]

        async def connect(self, auth: Any) -> None:
            await admit(self, "known")

        @room("known")
        def known(self) -> bool:
            return bool(self.user.is_authenticated)

        @room("orders.<int:pk>", model=Order, recheck_on_save=True)
        def order(self, order: Order) -> bool:
            return order.owner == self.user

        @event
        async def how(self) -> bool:
            return self.credential is not None and self.credential.expires is not None

    name = f"orders.{order.pk}"
    with SocketIOClient("/tokens") as client:
        client.connect(auth={"token": make_token(ada)})
        assert join(client, name) == {"room": name}
        # Reading the user anew is not becoming somebody else.
        assert client.call("how") is True
        with capture_emits():
            order.owner = None
            order.save()
        assert client.received("room:left") == [(name, OUT)]


# Crowds


def test_crowd_is_asked_in_batches(
    connect: Connect, ada: User, order: Order, django_assert_max_num_queries: Any
) -> None:
    clients, name = [connect(ada) for _ in range(30)], f"orders.{order.pk}"
    for client in clients:
        join(client, name)
    with django_assert_max_num_queries(10), capture_emits():
        recheck(order, ada, name)
        assert [client.received("room:left") for client in clients] == [[]] * 30
    assert fetch_sockets(name, namespace="/shop").total == 30


# What is said of rooms elsewhere


def test_schema_has_the_events_of_rooms(shop: type[SocketIOConsumer]) -> None:
    written = io.StringIO()
    options = ["--format", "typescript", "--namespace", "/shop"]
    call_command("realtime", "schema", *options, stdout=written)
    text = written.getvalue()
    assert '"room:join": (room: string, callback: (answer: Joined | ErrorAnswer) => void)' in text
    assert '"room:leave": (room: string, callback: (answer: Left | ErrorAnswer) => void)' in text
    assert '"room:left": (arg1: string, arg2: Reason) => void' in text
    assert '"presence:state": (arg1: string, arg2: Person[]) => void' in text


def test_page_of_a_room_says_by_which_rule_clients_join(
    connect: Connect, ada: User, order: Order, admin_client: Any, shop: type[SocketIOConsumer]
) -> None:
    for name, is_said in ((f"orders.{order.pk}", True), ("lobby", False)):
        where = {"namespace": "/shop", "room": name}
        page = admin_client.get("/admin/realtime/room/view/", where).content.decode()
        page = html.unescape(page)
        assert (f"which clients join by the rule {shop.room_rules[0].name}" in page) == is_said


# Declarations


def refused(*lines: str) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    names = globals() | {"__name__": __name__}
    with pytest.raises(TypeError) as caught:
        exec(f"class Refused(SocketIOConsumer):\n{body}", names)
    return str(caught.value)


#: Patterns of which the first is for each room of the second.
HIDDEN = [
    ("a.<str:name>", "a.<str:name>.owners"),
    ("a.<name>", "a.all"),
    ("a.<slug:name>", "a.<int:pk>"),
    ("a.<slug:name>", "a.<uuid:pk>"),
    ("<path:name>", "a.<name>"),
    ("a.<int:pk>", "a.<int:number>"),
]
#: Patterns of which each has rooms of its own.
APART = [
    ("a.<int:pk>", "a.<slug:name>"),
    ("a.<slug:name>", "a.<slug:name>.owners"),
    ("a.<uuid:pk>", "a.<slug:name>"),
    ("a.<slug:name>", "a.<str:name>"),
    ("a.<str:name>", "<path:name>"),
    ("a.<int:pk>", "a.all"),
]


@pytest.mark.parametrize(("first", "second"), [*APART, *(pair[::-1] for pair in HIDDEN[:-1])])
def test_rules_with_rooms_of_their_own_go_together(first: str, second: str) -> None:
    class Consumer(SocketIOConsumer):
        @room(first)
        def one(self, **found: Any) -> bool:
            return True

        @room(second)
        def two(self, **found: Any) -> bool:
            return True

    assert [rule.pattern for rule in Consumer.room_rules] == [first, second]


def test_rule_of_a_subclass_may_hide_one_of_its_base() -> None:
    class Base(SocketIOConsumer):
        @room("news.all")
        def news(self) -> bool:
            return True

    class Child(Base):
        @room("news.<name>")
        def everything(self, name: str) -> bool:
            return False

    assert [rule.pattern for rule in Child.room_rules] == ["news.<name>", "news.all"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ['@room("a")', "def one(self): ...", '@room("a")', "def two(self): ..."],
            "declared twice",
        ),
        (
            ['@room("a")', "def one(self): ...", '@room("b")', "def one(self): ..."],
            "declared twice",
        ),
        (['@room("a.<int:pk")', "def one(self, pk): ..."], "not closed"),
        (['@room("a.<float:pk>")', "def one(self, pk): ..."], "can't be read"),
        (['@room("a.<int:p k>")', "def one(self, pk): ..."], "can't be read"),
        (['@room("~a")', "def one(self): ..."], "reserved"),
        (['@room("")', "def one(self): ..."], "must be a string"),
        (["@room", "def one(self): ..."], "takes the pattern"),
        (['@room("a.<int:pk>")', "def one(self): ..."], "must take self, pk"),
        (['@room("a.<int:pk>", model=Order)', "def one(self): ..."], "self and the instance"),
        (['@room("a", model=Order)', "def one(self, order): ..."], "no converter"),
        (['@room("a.<nope>", model=Order)', "def one(self, order): ..."], "no field 'nope'"),
        (['@room("a.<pk>", model=7)', "def one(self, order): ..."], "must be a model"),
        (['@room("a.<pk>", model=str)', "def one(self, order): ..."], "not a model with a table"),
        (['@room("a")', "def one(self): yield True"], "is a generator"),
        (["@event", "def one(): ..."], "must take self"),
        (["@event", "def one(*, ack): ..."], "must take self"),
        (["@event", "@staticmethod", "def one(): ..."], "must take self"),
        (["@event", "@property", "def one(self): ..."], "is for a method"),
        (["@event", "@classmethod", "def one(cls): ..."], "is for a method"),
        (["@event(7)", "def one(self): ..."], "takes the name of an event"),
        (['@room("a")', "async def one(self): yield True"], "is a generator"),
        (["@event", "def one(self): yield True"], "is a generator"),
        (["@event", "async def one(self): yield True"], "is a generator"),
        (['@room("a", recheck_on_save=True)', "def one(self): ..."], "needs the model"),
        (['@room("a")', "def join(self): ..."], "would hide"),
        (["@event", '@room("a")', "def one(self): ..."], "both a rule and a handler"),
        (
            ['@room("a")', "def one(self): ...", '@event("room:join")', "def two(self): ..."],
            "can't handle it",
        ),
        (
            [
                '@room("a.<pk>.staff", model=Order.objects.all())',
                "def one(self, order): ...",
                '@room("a.<pk>", model=Order)',
                "def two(self, order): ...",
            ],
            "instance_room=False",
        ),
        *(
            (
                [
                    f'@room("{first}")',
                    "def one(self, **found): ...",
                    f'@room("{second}")',
                    "def two(self, **found): ...",
                ],
                "comes before it. Declare the more particular first",
            )
            for first, second in HIDDEN
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_declaration_that_cannot_work_is_refused(lines: list[str], message: str) -> None:
    assert message in refused(*lines)


def test_declarations_are_inherited() -> None:
    class Base(SocketIOConsumer):
        @room("a.<pk>")
        def one(self, pk: str) -> bool:
            return False

        @room("b")
        def two(self) -> bool:
            return True

    class Child(Base):
        two = None  # type: ignore[assignment]

        def one(self, pk: str) -> bool:
            return True

        @room("a.first")
        def first(self) -> bool:
            return True

    assert [rule.pattern for rule in Base.room_rules] == ["a.<pk>", "b"]
    assert [rule.pattern for rule in Child.room_rules] == ["a.first", "a.<pk>"]
    assert Child.room_rules[1].function is inspect.getattr_static(Child, "one")
    assert "room:join" not in SocketIOConsumer.handlers


class MayNotJoin(BasePermission):
    async def may_handle(self, consumer: Any, event: str, args: list[Any]) -> bool:
        return event != "room:join"


async def test_permissions_are_asked_before_rules() -> None:
    class Consumer(SocketIOConsumer):
        permission_classes = [MayNotJoin]

        @room("it")
        def it(self) -> bool:
            raise AssertionError("must not be asked")

    client = SocketIOCommunicator(Consumer)
    await client.connect()
    answer = await client.call("room:join", "it")
    assert answer == {"error": {"code": "forbidden", "message": "You may not do this."}}
    await client.disconnect()


def test_what_is_told_to_a_page_is_in_the_outbox(
    connect: Connect, ada: User, grace: User, order: Order
) -> None:
    client, name = connect(ada), f"orders.{order.pk}"
    join(client, name)
    with capture_emits():
        Order.objects.filter(pk=order.pk).update(owner=grace)
        recheck(order)
    client.received()
    assert_emitted("room:left", name, OUT, to=client.sid, namespace="/shop")
