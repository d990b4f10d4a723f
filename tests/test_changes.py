"""What models announce: real transactions, and what their commits emit on a running server."""

import asyncio
import copy
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any, TypedDict

import pytest
import rest_framework.serializers
from django.contrib.auth.models import User
from django.core import serializers
from django.core.management import call_command
from django.db import models, transaction
from django.db.models import F
from django.test import TestCase

from realtime import (
    SocketIOConsumer,
    aannounce_created,
    aannounce_updated,
    announce_changes,
    announce_created,
    announce_updated,
    namespace,
    routing,
)
from realtime.asgi import make_server
from realtime.changes.declarations import forget
from realtime.changes.described import emitted_in
from realtime.checks.changes import check_changes
from realtime.exceptions import RoomError
from realtime.metrics import counts
from realtime.schema.descriptions import Namespace, describe_sent
from realtime.schema.typescript import typescript
from tests.documents import ROOT, blocks
from tests.orders.models import Box, GiftOrder, Line, Order, Seat, Shelf, Tag, UrgentOrder
from tests.tsc import complaints
from tests.web_thread import crowd, web_thread

pytestmark = pytest.mark.django_db(transaction=True)


ADA, GRACE = 901, 902
ROOMS = ["team red", "team blue", "all", None, f"~auth.user:{ADA}", f"~auth.user:{GRACE}"]
ROOMS += ["~orders.order:77"]


class OrderSerializer(rest_framework.serializers.ModelSerializer[Order]):
    class Meta:
        model = Order
        fields = ("id", "owner")


@dataclass
class Sent:
    """One emit, as the server's rooms heard of it."""

    event: str
    payload: Any
    to: tuple[str, ...] | None
    skip: frozenset[str]


class Emits(list[Sent]):
    def take(self) -> list[Any]:
        """What was emitted since the last time: event, payload and rooms."""
        taken = [(sent.event, sent.payload, *(sent.to or ())) for sent in self]
        self.clear()
        return taken


@pytest.fixture
def emits() -> Iterator[Emits]:
    """What reaches the rooms of a server that runs beside the test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = make_server()
    heard = Emits()

    def hear(emission: Any) -> None:
        text = emission.messages[0]
        event, payload = json.loads(text[text.index("[") :])
        heard.append(Sent(event, payload, emission.to, emission.skip))

    async def start() -> None:
        server.start()
        for room in ROOMS:
            server.node.members.tap("/", room, hear)

    asyncio.run_coroutine_threadsafe(start(), loop).result()
    yield heard
    asyncio.run_coroutine_threadsafe(server.shutdown(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def announce() -> Iterator[Callable[..., None]]:
    """Declare what orders announce, for one test."""

    def declare(model: Any = Order, **options: Any) -> None:
        chosen = {"to": lambda order: f"team {order.team}", "fields": ("id", "status", "total")}
        announce_changes(model, **{**chosen, **options})

    yield declare
    for model in (Order, UrgentOrder, GiftOrder, Tag, Line, Seat, Box):
        forget(model)


def full(order: Any, **fields: Any) -> dict[str, Any]:
    return {"id": order.pk, "status": order.status, "total": order.total, **fields}


# One row


def test_row_is_announced_when_created_updated_and_deleted(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce()
    order = Order.objects.create(total=3)
    assert emits.take() == [("order:created", full(order), "team red")]
    order.status = "paid"
    order.save()
    assert emits.take() == [("order:updated", full(order, status="paid"), "team red")]
    pk = order.pk
    order.delete()
    assert emits.take() == [("order:deleted", {"id": pk}, "team red")]


async def test_async_verbs_announce_as_well(announce: Callable[..., None], emits: Emits) -> None:
    announce()
    order = await Order.objects.acreate()
    order.total = 2
    await order.asave()
    await order.adelete()
    assert [event for event, *_ in emits.take()] == [
        "order:created",
        "order:updated",
        "order:deleted",
    ]


def test_only_changed_fields_are_sent_and_nothing_where_none_changed(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True, fields=("status", "total", "data"))
    Order.objects.create()
    emits.clear()
    order = Order.objects.get()
    order.secret = "of the house"
    order.save()
    assert emits.take() == []
    order.total = 7
    order.data["gift"] = True  # in place
    order.save()
    changed = {"id": order.pk, "total": 7, "data": {"gift": True}}
    assert emits.take() == [("order:updated", changed, "team red")]
    order.save()
    assert emits.take() == []


def test_created_instance_is_compared_with_what_was_created(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    order = Order.objects.create()
    order.total = 4
    order.save()
    assert emits.take()[1:] == [("order:updated", {"id": order.pk, "total": 4}, "team red")]


def test_update_fields_sends_what_was_saved_and_not_what_was_only_set(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce()
    Order.objects.create(total=1)
    emits.clear()
    order = Order.objects.get()
    order.status, order.total = "paid", 99
    order.save(update_fields=["status"])
    assert emits.take() == [("order:updated", full(order, total=1), "team red")]
    order.team = "blue"
    order.save(update_fields=["total"])
    assert emits.take() == [("order:updated", full(order), "team red")]


def test_deferred_fields_take_no_query_when_loaded_and_one_when_told(
    announce: Callable[..., None], emits: Emits, django_assert_num_queries: Any
) -> None:
    announce()
    Order.objects.create(total=5)
    emits.clear()
    with django_assert_num_queries(1):
        order = Order.objects.only("status").get()
    order.status = "paid"
    with django_assert_num_queries(2):
        order.save()
    assert emits.take() == [("order:updated", full(order), "team red")]


def test_deferred_fields_are_not_read_for_what_changed(
    announce: Callable[..., None], emits: Emits, django_assert_num_queries: Any
) -> None:
    announce(only_changed=True, to="all")
    Order.objects.create(total=5)
    emits.clear()
    order = Order.objects.defer("total", "data").get()
    order.status = "paid"
    with django_assert_num_queries(1):
        order.save()
    assert emits.take() == [("order:updated", {"id": order.pk, "status": "paid"}, "all")]
    assert order.total == 5  # loaded now, and so no change
    order.status = "sent"
    order.save()
    assert emits.take() == [("order:updated", {"id": order.pk, "status": "sent"}, "all")]


def test_refresh_from_db_counts_as_loaded(announce: Callable[..., None], emits: Emits) -> None:
    announce(only_changed=True)
    order = Order.objects.create()
    Order.objects.update(status="paid", total=8)
    order.refresh_from_db(fields=["status"])
    order.refresh_from_db()
    emits.clear()
    order.save()
    assert emits.take() == []


def test_expressions_are_read_from_the_database(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    order = Order.objects.create(total=5)
    emits.clear()
    order.total = F("total") + 2
    order.save()
    assert emits.take() == [("order:updated", {"id": order.pk, "total": 7}, "team red")]


def line(count: int, total: str, **fields: Any) -> dict[str, Any]:
    return {"count": count, "total": total, **fields}


@pytest.mark.parametrize("update_fields", [None, ["count"]], ids=["all", "update_fields"])
def test_what_the_database_computes_is_read_after_each_save(
    announce: Callable[..., None], emits: Emits, update_fields: Any
) -> None:
    announce(Line, to="all", fields=("count", "total"))
    created = Line.objects.create(price=Decimal("2.50"), count=2)
    pk = {"id": created.pk}
    assert emits.take() == [("line:created", line(2, "5.00", **pk), "all")]
    for count, total in ((3, "7.50"), (4, "10.00")):
        created.count = count
        created.save(update_fields=update_fields)
        assert emits.take() == [("line:updated", line(count, total, **pk), "all")]
    loaded = Line.objects.get()
    with transaction.atomic():
        loaded.count = 5
        loaded.save(update_fields=update_fields)
        loaded.count = 6
        loaded.save(update_fields=update_fields)
    assert emits.take() == [("line:updated", line(6, "15.00", **pk), "all")]


def test_what_the_database_computes_may_say_who_hears(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(Line, to=lambda line: "all" if line.total > 5 else None, fields=("count",))
    created = Line.objects.create(price=1, count=6)
    emits.clear()
    created.count = 2
    created.save()
    assert emits.take() == [("line:deleted", {"id": created.pk}, "all")]


def test_expression_is_not_taken_for_a_value_by_a_deletion(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(to=lambda order: "all" if order.total == 7 else None)
    order = Order.objects.create(total=5)
    with transaction.atomic():
        order.total = F("total") + 2
        order.save()
        order.delete()
    assert [event for event, *_ in emits.take()] == ["order:deleted"]


def test_values_are_sent_as_they_are_read(announce: Callable[..., None], emits: Emits) -> None:
    """Forms, JSON and code may set an instance's fields to what Django only converts to save."""
    announce(Line, to="all", fields=("price", "count", "due"))
    given: list[tuple[Any, Any]] = [("2.5", "3"), (2.5, 3.0), (Decimal("2.5"), True + 2)]
    for price, count in given:
        made = Line.objects.create(price=price, count=count, due="2026-11-26")
        expected = {"id": made.pk, "price": "2.50", "count": 3, "due": "2026-11-26"}
        ((_, payload, _),) = emits.take()
        assert payload == expected
        assert type(payload["count"]) is int


def test_instance_that_was_not_loaded_is_announced_in_full(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    order = Order.objects.create(total=5)
    emits.clear()
    Order(pk=order.pk, total=6).save()
    changed = {"id": order.pk, "status": "new", "total": 6}
    assert emits.take() == [("order:updated", changed, "team red")]
    Order(pk=order.pk, total=7).save(update_fields=["total"])
    assert emits.take() == [("order:updated", {"id": order.pk, "total": 7}, "team red")]


def test_copies_and_pickles_of_instances_are_rows_of_their_own(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    with transaction.atomic():
        order = Order.objects.create(total=5)
        thawed = pickle.loads(pickle.dumps(order))
    emits.clear()
    twin = copy.copy(order)
    twin.pk, twin._state.adding = None, True
    twin.save()
    assert [event for event, *_ in emits.take()] == ["order:created"]
    thawed.total = 6
    thawed.save()
    assert emits.take()[0][1]["total"] == 6


def test_fixtures_announce_nothing(announce: Callable[..., None], emits: Emits) -> None:
    announce()
    text = serializers.serialize("json", [Order(pk=7)])
    for loaded in serializers.deserialize("json", text):
        loaded.save()
    assert emits.take() == []


# Transactions


def test_transaction_is_one_event_for_each_row_with_its_last_state(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    one, two = Order.objects.create(), Order.objects.create()
    emits.clear()
    with transaction.atomic():
        for total in (1, 2, 3):
            one.total = total
            one.save()
            two.total = total
            two.save()
        again = Order.objects.get(pk=one.pk)
        again.status = "paid"
        again.save()
        assert emits.take() == []
    assert emits.take() == [
        ("order:updated", {"id": one.pk, "status": "paid", "total": 3}, "team red"),
        ("order:updated", {"id": two.pk, "total": 3}, "team red"),
    ]


def test_created_and_updated_is_created(announce: Callable[..., None], emits: Emits) -> None:
    announce()
    with transaction.atomic():
        order = Order.objects.create()
        order.total = 3
        order.save()
    assert emits.take() == [("order:created", full(order, total=3), "team red")]


def test_created_and_deleted_is_nothing(announce: Callable[..., None], emits: Emits) -> None:
    announce()
    with transaction.atomic():
        Order.objects.create().delete()
    assert emits.take() == []


def test_updated_and_deleted_is_deleted_for_those_who_knew_it(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce()
    order = Order.objects.create()
    pk = order.pk
    emits.clear()
    with transaction.atomic():
        order.team = "blue"
        order.save()
        order.delete()
    assert emits.take() == [("order:deleted", {"id": pk}, "team blue", "team red")]


def test_what_rolled_back_is_not_announced_and_counts_as_not_saved(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    order = Order.objects.create()
    emits.clear()
    order.total = 9
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        order.save()
        raise ZeroDivisionError
    assert emits.take() == []
    order.save()
    assert emits.take() == [("order:updated", {"id": order.pk, "total": 9}, "team red")]


def test_savepoint_that_rolled_back_leaves_nothing_in_what_is_announced(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    order = Order.objects.create()
    emits.clear()
    with transaction.atomic():
        order.status = "paid"
        order.save(update_fields=["status"])
        with transaction.atomic():
            order.total, order.team = 50, "blue"
            order.save()
            Order.objects.create(team="blue")
            transaction.set_rollback(True)
        with transaction.atomic():
            Order.objects.filter(pk=order.pk).get().delete()
            transaction.set_rollback(True)
    assert emits.take() == [("order:updated", {"id": order.pk, "status": "paid"}, "team red")]
    order.save()  # with what the savepoint lost
    assert emits.take() == [
        ("order:deleted", {"id": order.pk}, "team red"),
        ("order:created", {"id": order.pk, "status": "paid", "total": 50}, "team blue"),
    ]


def test_save_after_a_savepoint_that_rolled_back_is_compared_with_the_one_before_it(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    order = Order.objects.create()
    emits.clear()
    with transaction.atomic():
        with transaction.atomic():
            order.total = 50
            order.save()
            transaction.set_rollback(True)
        order.save()
    assert emits.take() == [("order:updated", {"id": order.pk, "total": 50}, "team red")]


def test_hooks_that_a_test_case_captures_are_announced_alone(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    with transaction.atomic():
        order = Order.objects.create()
        with TestCase.captureOnCommitCallbacks(execute=True):
            order.total = 2
            order.save()
        assert emits.take() == [("order:updated", {"id": order.pk, "total": 2}, "team red")]
        transaction.set_rollback(True)


def test_failure_costs_its_own_event_and_no_row(
    announce: Callable[..., None], emits: Emits, caplog: pytest.LogCaptureFixture
) -> None:
    def serialize(order: Order) -> Any:
        return {"share": 100 // order.total, "tags": {1, 2} if order.total > 9 else []}

    announce(serializer=serialize, fields=())
    ran: list[str] = []
    failures = counts["emits.failed"]
    with transaction.atomic():
        Order.objects.create(total=0)
        Order.objects.create(total=10)
        Order.objects.create(total=5)
        transaction.on_commit(lambda: ran.append("the next hook"))
    assert [payload["share"] for _, payload, _ in emits.take()] == [20]
    assert (Order.objects.count(), ran) == (3, ["the next hook"])
    assert counts["emits.failed"] == failures + 2
    assert "ZeroDivisionError" in caplog.text
    assert 'argument 1, at ["tags"], is a set: make it a list' in caplog.text


def test_to_and_when_may_fail(
    announce: Callable[..., None], emits: Emits, caplog: pytest.LogCaptureFixture
) -> None:
    announce(to=lambda order: order.nonsense)
    announce(event="second", when=lambda order, kind: order.nonsense)
    announce(event="third")
    order = Order.objects.create()
    order.delete()
    assert [event for event, *_ in emits.take()] == ["third:created", "third:deleted"]
    assert "nonsense" in caplog.text


@pytest.mark.usefixtures("real_layer")
def test_layer_that_is_away_costs_the_event_only(
    announce: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    announce()  # and no server, with the in-memory layer
    Order.objects.create()
    assert Order.objects.count() == 1
    assert "was not emitted after its transaction committed" in caplog.text


# To whom


def test_row_that_moves_is_deleted_here_and_created_there(
    announce: Callable[..., None], emits: Emits
) -> None:
    ada, grace = (User.objects.create(pk=pk, username=str(pk)) for pk in (ADA, GRACE))
    announce(to=lambda order: [order.owner, f"team {order.team}"])
    order = Order.objects.create(owner=ada)
    rooms = f"~auth.user:{ada.pk}", f"~auth.user:{grace.pk}"
    emits.clear()
    order.owner = grace
    order.save()
    assert [(e.event, e.to, set(e.skip)) for e in emits] == [
        ("order:deleted", (rooms[0],), {rooms[1], "team red"}),
        ("order:updated", ("team red",), set()),
        ("order:created", (rooms[1],), {"team red"}),
    ]
    emits.clear()
    order.owner = None  # who has no room
    order.save()
    assert [(e.event, e.to) for e in emits] == [
        ("order:deleted", (rooms[1],)),
        ("order:updated", ("team red",)),
    ]


def test_related_objects_of_to_are_loaded_once(
    announce: Callable[..., None], emits: Emits, django_assert_num_queries: Any
) -> None:
    announce(to=lambda order: order.owner)
    Order.objects.create(owner=User.objects.create(pk=ADA))
    order = Order.objects.get()
    order.total = 9
    with django_assert_num_queries(2):  # the update, and the owner
        order.save()
    assert [e.event for e in emits] == ["order:created", "order:updated"]


def test_nobody_hears_where_to_says_none(announce: Callable[..., None], emits: Emits) -> None:
    announce(to=lambda order: order.owner)
    order = Order.objects.create()
    order.save()
    order.delete()
    assert emits.take() == []


def test_everyone_hears_where_to_is_none(announce: Callable[..., None], emits: Emits) -> None:
    announce(to=None)
    Order.objects.create()
    assert [(e.event, e.to) for e in emits] == [("order:created", None)]


def test_row_of_a_deleted_owner_is_told_where_it_was(
    announce: Callable[..., None], emits: Emits
) -> None:
    ada = User.objects.create(pk=ADA)
    announce(to=lambda order: [order.owner])
    order = Order.objects.create(owner=ada)
    emits.clear()
    room = f"~auth.user:{ada.pk}"
    User.objects.get().delete()
    assert emits.take() == [("order:deleted", {"id": order.pk}, room)]


def test_when_on_event_and_skip_choose(announce: Callable[..., None], emits: Emits) -> None:
    announce(
        event="purchase",
        on=("created", "deleted"),
        when=lambda order, kind: kind == "deleted" or order.total > 5,
        skip=lambda order: order.secret,
    )
    order = Order.objects.create(total=6, secret="sid of a page")
    Order.objects.create(total=5)
    order.save()
    order.delete()
    assert [e.event for e in emits] == ["purchase:created", "purchase:deleted"]
    assert emits[0].skip == {"sid of a page"}


def test_namespace_may_depend_on_the_row(announce: Callable[..., None], emits: Emits) -> None:
    announce(namespace=lambda order: "/" if order.total else "/empty", to="all")
    order = Order.objects.create(total=0)
    assert emits.take() == []
    order.total = 1
    order.save()
    assert emits.take() == [("order:created", full(order), "all")]


def test_serializer_class_of_rest_framework_is_called_for_its_data(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(serializer=OrderSerializer, fields=())
    order = Order.objects.create()
    assert emits.take() == [("order:created", {"id": order.pk, "owner": None}, "team red")]


# Relations and inheritance


def test_many_to_many_changes_are_updates_from_both_sides(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True, fields=("status", "tags"))
    order, other = Order.objects.create(), Order.objects.create()
    red, hot = Tag.objects.create(name="red"), Tag.objects.create(name="hot")
    emits.clear()

    def tagged(*tags: Tag, of: Order = order) -> tuple[str, Any, str]:
        return ("order:updated", {"id": of.pk, "tags": [t.pk for t in tags]}, "team red")

    with transaction.atomic():
        order.tags.add(red)
        order.tags.add(hot)
    assert emits.take() == [tagged(red, hot)]
    order.tags.remove(red)
    assert emits.take() == [tagged(hot)]
    order.tags.add(hot)
    assert emits.take() == []
    hot.orders.add(other)
    assert emits.take() == [tagged(hot, of=other)]
    hot.orders.clear()
    assert emits.take() == [tagged(), tagged(of=other)]
    order.tags.set([red])
    assert emits.take() == [tagged(red)]
    order.tags.clear()
    assert emits.take() == [tagged()]


@pytest.mark.parametrize("from_tag", [False, True])
def test_relations_that_share_their_rows_are_told_apart(
    announce: Callable[..., None], emits: Emits, from_tag: bool
) -> None:
    announce(Box, to="all", fields=("tags",))
    tag, shelf, box = Tag.objects.create(), Shelf.objects.create(), Box.objects.create()
    assert shelf.pk == box.pk
    emits.clear()
    if from_tag:
        tag.shelf_set.add(shelf)
        assert emits.take() == []
        tag.box_set.add(box)
    else:
        shelf.tags.add(tag)
        shelf.tags.clear()
        assert emits.take() == []
        box.tags.add(tag)
    assert emits.take() == [("box:updated", {"id": box.pk, "tags": [tag.pk]}, "all")]


def test_many_to_many_fields_take_one_query_when_told(
    announce: Callable[..., None], emits: Emits, django_assert_num_queries: Any
) -> None:
    announce(fields=("status", "tags"))
    order = Order.objects.create()
    order = Order.objects.get()
    with django_assert_num_queries(2):  # the update, and the tags
        order.save()
    assert emits[-1].payload == {"id": order.pk, "status": "new", "tags": []}


def test_many_to_many_field_that_is_not_named_is_not_announced(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce()
    order = Order.objects.create()
    emits.clear()
    order.tags.add(Tag.objects.create(name="red"))
    assert emits.take() == []


def test_proxies_and_children_are_rows_of_the_announced_model(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce()
    urgent = UrgentOrder.objects.create()
    assert emits.take() == [("order:created", full(urgent), "team red")]
    pk = urgent.pk
    urgent.delete()
    assert emits.take() == [("order:deleted", {"id": pk}, "team red")]
    gift = GiftOrder.objects.create(card="To Ada", total=3)
    assert emits.take() == [("order:created", full(gift), "team red")]
    gift.card = "To Grace"
    gift.team = "blue"
    gift.save()
    assert [event for event, *_ in emits.take()] == ["order:deleted", "order:created"]
    pk = gift.pk
    gift.delete()
    assert emits.take() == [("order:deleted", {"id": pk}, "team blue")]


def test_room_of_a_row_is_told_by_whichever_model_it_is_saved(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(to=lambda order: order)
    gift = GiftOrder.objects.create(pk=77)
    rooms = ("~orders.giftorder:77", "~orders.order:77")
    assert emits.take() == [("order:created", full(gift), *rooms)]
    gift.total = 2
    gift.save()
    assert emits.take() == [("order:updated", full(gift), *rooms)]
    gift.delete()
    assert emits.take() == [("order:deleted", {"id": 77}, *rooms)]


def test_child_may_be_announced_by_itself(announce: Callable[..., None], emits: Emits) -> None:
    announce(GiftOrder, fields=("card", "total"))
    Order.objects.create()
    gift = GiftOrder.objects.create(card="To Ada")
    pk = gift.pk
    gift.delete()
    assert emits.take() == [
        ("giftorder:created", {"order_ptr": pk, "card": "To Ada", "total": 0}, "team red"),
        ("giftorder:deleted", {"order_ptr": pk}, "team red"),
    ]


# Rows that are written without signals


def test_bulk_create_and_update_are_silent_and_announced_on_request(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce(only_changed=True)
    orders = Order.objects.bulk_create([Order(total=1), Order(total=2)])
    assert emits.take() == []
    announce_created(orders)
    assert [payload["total"] for _, payload, _ in emits.take()] == [1, 2]
    loaded = list(Order.objects.order_by("pk"))
    Order.objects.update(status="sent")
    assert emits.take() == []
    announce_updated(loaded)
    assert emits.take() == [
        ("order:updated", {"id": order.pk, "status": "sent"}, "team red") for order in loaded
    ]
    announce_updated(Order.objects.filter(total=2))  # of which nothing else is known
    assert emits.take() == [("order:updated", full(loaded[1], status="sent"), "team red")]
    Order.objects.all().delete()
    assert [event for event, *_ in emits.take()] == ["order:deleted"] * 2


def test_bulk_move_is_a_move_for_instances_that_were_loaded(
    announce: Callable[..., None], emits: Emits
) -> None:
    announce()
    Order.objects.create()
    emits.clear()
    loaded = list(Order.objects.all())
    with transaction.atomic():
        Order.objects.update(team="blue")
        announce_updated(loaded)
        assert emits.take() == []
    assert [(event, room) for event, _, room in emits.take()] == [
        ("order:deleted", "team red"),
        ("order:created", "team blue"),
    ]


async def test_bulk_verbs_have_async_twins(announce: Callable[..., None], emits: Emits) -> None:
    announce()
    await aannounce_created(await Order.objects.abulk_create([Order()]))
    await aannounce_updated(Order.objects.all())
    assert [event for event, *_ in emits.take()] == ["order:created", "order:updated"]


def test_bulk_verbs_refuse_what_they_can_not_announce(announce: Callable[..., None]) -> None:
    with pytest.raises(TypeError, match="Order announces nothing: declare it"):
        announce_updated(Order.objects.all())
    announce()
    with pytest.raises(ValueError, match="this Order has no primary key"):
        announce_created([Order()])


# Declarations


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"fields": ()}, TypeError, "say what clients may see"),
        ({"serializer": repr}, TypeError, "say what clients may see"),
        ({"fields": "status"}, TypeError, "must be a list of names"),
        ({"to": 5}, RoomError, "a room must be a string"),
        ({"to": lambda: 5}, TypeError, "to must be a function of the instance"),
        ({"when": lambda order: True}, TypeError, "the instance and the kind of change"),
        ({"on": ("saved",)}, ValueError, "must name some of created, updated, deleted"),
        ({"namespace": "orders"}, ValueError, "must begin with '/'"),
        ({"fields": (), "serializer": repr, "only_changed": True}, TypeError, "needs fields="),
        ({"fields": (), "serializer": "Order"}, TypeError, "must be a function"),
        ({"fields": (), "serializer": dict}, TypeError, "dict is not a serializer class"),
    ],
)
def test_declaration_that_can_not_be_is_refused(
    announce: Callable[..., None], options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        announce(**options)


def test_async_function_is_refused(announce: Callable[..., None]) -> None:
    async def to(order: Order) -> str:
        return "all"

    with pytest.raises(TypeError, match="must be a plain function"):
        announce(to=to)


def test_only_models_with_tables_announce() -> None:
    class Abstract(models.Model):
        class Meta:
            abstract = True
            app_label = "orders"

    for wrong in (Abstract, dict, "Order"):
        with pytest.raises(TypeError, match="models that have a table"):
            announce_changes(wrong, to="all", fields=("id",))


def test_second_declaration_of_the_same_event_is_refused(announce: Callable[..., None]) -> None:
    announce()
    with pytest.raises(ValueError, match="already announces 'order' in '/'"):
        announce()
    announce(event="purchase")


def test_checks_name_unknown_fields_and_rooms_that_are_meant_as_fields(
    announce: Callable[..., None],
) -> None:
    announce(fields=("status", "price", "giftorder"), to="owner")
    messages = check_changes(None)
    assert [(m.id, m.obj) for m in messages] == [
        ("realtime.E010", Order),
        ("realtime.E010", Order),
        ("realtime.W025", Order),
    ]
    assert "'price'" in messages[0].msg
    assert "status" in str(messages[0].hint)


def test_model_of_the_docs_is_declared_as_it_is_defined(tmp_path: Path) -> None:
    """In a site of its own: models are imported before the apps are ready."""
    page = [b for b in blocks() if b.document == "docs/models.md"]
    (block,) = [b for b in page if b.note == "file: shop/models.py"]
    settings = {
        "INSTALLED_APPS": ["daphne", "django.contrib.auth", "django.contrib.contenttypes"],
        "DATABASES": {
            name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
            for name in ("default", "other")
        },
        "CHANNEL_LAYERS": {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
        "ASGI_APPLICATION": "asgi.application",
        "SECRET_KEY": "of the test",
        "DEBUG": True,
    }
    settings["INSTALLED_APPS"] += ["shop", "channels", "realtime"]
    files = {
        "shop/__init__.py": "",
        "shop/models.py": block.code,
        "asgi.py": "from realtime.asgi import get_asgi_application as get\napplication = get()\n",
        "settings.py": "\n".join(f"{name} = {value!r}" for name, value in settings.items()),
        "save.py": SAVE,
    }
    (tmp_path / "shop").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "DJANGO_SETTINGS_MODULE": "settings"}
    for command in (["-m", "django", "check", "--fail-level", "ERROR"], ["save.py"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "1", "2"]
    assert "the event 'order:created' was not emitted after its transaction" in done.stderr


@pytest.mark.node
def test_events_of_models_are_in_the_schema(announce: Callable[..., None], tmp_path: Path) -> None:
    def brief(order: Order) -> dict[str, int]:
        return {"id": order.pk}

    routes = list(routing._routes)

    @namespace("/announced")
    class Consumer(SocketIOConsumer):
        emits = {"second:created": str}

    fields = ("owner", "status", "data", "tags")
    announce(fields=fields, namespace="/announced", only_changed=True)
    announce(serializer=brief, fields=(), event="second", namespace="/announced")
    only = {"on": "created", "namespace": "/announced"}
    announce(serializer=OrderSerializer, fields=(), event="third", **only)
    announce(event="fourth", namespace=lambda order: "/announced")
    out = StringIO()
    try:
        options = {"format": "typescript", "namespace": ["/announced"], "stdout": out}
        call_command("realtime", "schema", **options)
    finally:
        routing._routes[:] = routes
    (tmp_path / "events.ts").write_text(out.getvalue())
    assert complaints(tmp_path, "events.ts") == ""
    written = " ".join(out.getvalue().split())
    for expected in (
        '"order:created": (data: Order) => void;',
        '"order:updated": (data: OrderChanges) => void;',
        '"order:deleted": (data: OrderKey) => void;',
        '"second:created": (data: string) => void;',
        '"second:updated": (data: { [key: string]: number }) => void;',
        '"third:created": (data: OrderSerializer) => void;',
    ):
        assert expected in written
    assert "fourth" not in written
    assert "owner: number | null" in written
    assert "tags: number[]" in written


SAVE = """
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from realtime.metrics import counts
from shop.models import Order

for name in ("default", "other"):
    call_command("migrate", run_syncdb=True, verbosity=0, database=name)
    User.objects.using(name).create(username="ada")
# Each row is announced at the commit of its own database; there is no layer that could tell it.
with transaction.atomic():
    Order.objects.create(owner=User.objects.get(), team_id=1, total=5)
    print(counts["emits.failed"])
    with transaction.atomic(using="other"):
        other = User.objects.using("other").get()
        Order.objects.using("other").create(owner=other, team_id=1, total=5)
    print(counts["emits.failed"])
print(counts["emits.failed"])
"""


class Shown(TypedDict):
    count: int


def postponed(line: Line) -> "Shown":
    return {"count": line.count}


def test_computed_columns_and_composite_keys_have_their_types(
    announce: Callable[..., None],
) -> None:
    announce(Line, to="all", fields=("total", "due"), on="created")
    announce(Line, to="all", fields=(), serializer=postponed, event="shown", on="created")
    announce(Seat, to="all", fields=("guest",), on="created")
    sent = describe_sent(emitted_in("/"))
    text = typescript([Namespace(route="/", text="", received=[], sent=sent)])
    assert "export type Line = { id: number; total: string; due: string | null };" in text
    assert '"shown:created": (data: Shown) => void;' in text
    assert "export type Seat = { pk: [number, number]; guest: string };" in text


def test_row_with_a_composite_key_is_announced(announce: Callable[..., None], emits: Emits) -> None:
    announce(Seat, to="all", fields=("guest",))
    seat = Seat.objects.create(row=1, number=2, guest="ada")
    assert emits.take() == [("seat:created", {"pk": [1, 2], "guest": "ada"}, "all")]
    announce_updated(Seat.objects.all())
    assert emits.take() == [("seat:updated", {"pk": [1, 2], "guest": "ada"}, "all")]
    seat.delete()
    assert emits.take() == [("seat:deleted", {"pk": [1, 2]}, "all")]


# Real clients


def test_clients_of_two_rooms_hear_once(announce: Callable[..., None]) -> None:
    announce(to=lambda order: ["everyone", f"team {order.team}"])
    with web_thread() as url, crowd(url) as clients:
        both, red, blue = clients.join("everyone"), clients.join("team red"), None
        clients.run(both.call("join", "team red"))
        blue = clients.join("team blue")
        order = Order.objects.create()
        for client in (both, red):
            assert clients.run(client.next("order:created")) == (full(order),)
        order.team = "blue"
        order.save()
        assert clients.run(both.next("order:updated")) == (full(order),)
        assert clients.run(red.next("order:deleted")) == ({"id": order.pk},)
        assert clients.run(blue.next("order:created")) == (full(order),)
        assert [event for event, _ in both.log if event.startswith("order:")] == [
            "order:created",
            "order:updated",
        ]
