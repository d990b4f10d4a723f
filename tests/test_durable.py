"""`emit(durable=True)`: rows of the caller's transaction, and the courier that sends them."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client, RequestFactory, TestCase
from django.utils import timezone

from realtime import aemit, emit, emitters
from realtime.checks.durable import check_durable
from realtime.durable.courier import make_round
from realtime.durable.models import DurableEmit
from realtime.durable.upkeep import remove_sent
from realtime.exceptions import SyncEmitInAsyncCode
from realtime.metrics import counts
from realtime.node.actors import HEADER
from realtime.node.rooms import new_node_id, new_sid
from realtime.testing import RealtimeAssertions, capture_emits, outbox, real_layer
from tests.documents import ROOT
from tests.ports import free_port
from tests.site.layers import channel_layers

pytestmark = pytest.mark.django_db(transaction=True)

State = DurableEmit.State


@pytest.fixture
def down(settings: Any) -> Iterator[None]:
    """No process can be reached."""
    settings.CHANNEL_LAYERS = channel_layers(f"redis://127.0.0.1:{free_port()}/0", "core")
    with real_layer():
        yield


def left_over(event: str, *args: Any, **options: Any) -> DurableEmit:
    """A row whose process died between commit and emit, long enough ago."""
    before = set(DurableEmit.objects.values_list("pk", flat=True))
    with transaction.atomic():
        emit(event, *args, durable=True, **options)
        connection.run_on_commit.clear()
    DurableEmit.objects.exclude(pk__in=before).update(due_at=timezone.now())
    return DurableEmit.objects.exclude(pk__in=before).get()


def emitted() -> list[Any]:
    return [(emit.event, *emit.args) for emit in outbox]


def states() -> list[str]:
    return list(DurableEmit.objects.order_by("pk").values_list("state", flat=True))


# Emitting


def test_durable_emit_leaves_with_the_commit() -> None:
    sent = counts["durable.sent"]
    with transaction.atomic():
        emit("paid", {"id": 7}, b"pdf", to=["staff", "a\0room"], skip="x", durable=True)
        assert emitted() == []
        assert states() == [State.WAITING]
    (row,) = DurableEmit.objects.all()
    assert (row.state, row.attempts, row.error) == (State.SENT, 0, "")
    assert row.sent_at is not None
    assert counts["durable.sent"] == sent + 1
    (one,) = outbox
    assert (one.event, one.args) == ("paid", ({"id": 7}, b"pdf"))
    assert (one.to, one.skip, one.durable) == (("staff", "a\0room"), {"x"}, True)
    assert str(one).endswith("durable=True)")


def test_clients_get_the_id_as_last_argument() -> None:
    emit("paid", 7, durable=True)
    (row,) = DurableEmit.objects.all()
    (payload,) = json.loads(row.body)["messages"]
    assert json.loads(payload[1:]) == ["paid", 7, {"durable": str(row.key)}]


def test_transaction_or_savepoint_that_is_rolled_back_sends_nothing() -> None:
    with transaction.atomic():
        emit("kept", durable=True)
        with transaction.atomic():
            emit("rolled back", durable=True)
            transaction.set_rollback(True)
    with transaction.atomic():
        emit("rolled back", durable=True)
        transaction.set_rollback(True)
    assert emitted() == [("kept",)]
    assert states() == [State.SENT]


async def test_durable_emit_from_async_code() -> None:
    await aemit("paid", 7, to="staff", durable=True)
    assert emitted() == [("paid", 7)]
    assert await DurableEmit.objects.filter(state=State.SENT).acount() == 1
    with pytest.raises(SyncEmitInAsyncCode):
        emit("paid", durable=True)


def test_what_is_no_durable_emit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="volatile"):
        emit("paid", durable=True, volatile=True)
    with pytest.raises(ValueError, match="only the newest"):
        emit("paid", durable=True, retain="a key")
    with pytest.raises(ValueError, match="namespace"):
        emit("paid", durable=True, namespace="/" + 200 * "x")
    with pytest.raises(TypeError, match="argument 1"):
        emit("paid", object(), durable=True)
    with pytest.raises(ImproperlyConfigured, match="DURABLE_DATABASES"):
        emit("paid", durable=True, using="other")
    monkeypatch.setattr(emitters, "keep", None)  # what a site without the app has
    with pytest.raises(ImproperlyConfigured, match=r'add "realtime.durable" to INSTALLED_APPS'):
        emit("paid", durable=True)
    assert not DurableEmit.objects.exists()


def test_sent_rows_are_deleted_at_once_or_after_their_retention(settings: Any) -> None:
    emit("kept", durable=True)
    settings.REALTIME = {"DURABLE_RETENTION": 0}
    emit("deleted", durable=True)
    left_over("waiting")
    assert states() == [State.SENT, State.WAITING]
    settings.REALTIME = {"DURABLE_RETENTION": 60}
    remove_sent("default")
    assert states() == [State.SENT, State.WAITING]
    DurableEmit.objects.update(sent_at=timezone.now() - timedelta(seconds=61))
    remove_sent("default")
    assert states() == [State.WAITING]


#: A site with two databases, in a process of its own.
TWO_DATABASES = """
import django
from django.conf import settings

sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(
    DATABASES={"default": sqlite, "second": sqlite},
    INSTALLED_APPS=["realtime", "realtime.durable"],
    REALTIME={"DURABLE_DATABASES": ["default", "second"]},
    USE_TZ=False,
)
django.setup()

from django.core.management import call_command
from django.db import transaction
from django.test.utils import setup_test_environment

from realtime import emit
from realtime.durable.models import DurableEmit
from realtime.testing import outbox

setup_test_environment()
for alias in settings.DATABASES:
    call_command("migrate", database=alias, verbosity=0)
with transaction.atomic(using="second"):
    emit("second", durable=True, using="second")
    emit("default", durable=True)
    assert [one.event for one in outbox] == ["default"]
assert [one.event for one in outbox] == ["default", "second"]
rows = DurableEmit.objects.using("second")
assert [row.event for row in rows.all()] == ["second"]
assert [row.event for row in DurableEmit.objects.all()] == ["default"]
rows.update(state="waiting", due_at=rows.get().created_at)
call_command("realtime", "courier", "--once")
assert [one.event for one in outbox] == ["default", "second", "second"]
"""


def test_row_is_in_the_database_of_its_transaction() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", TWO_DATABASES],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1 sent, 0 failed.\n"


def test_durable_emit_takes_four_queries(django_assert_num_queries: Any) -> None:
    with transaction.atomic(), django_assert_num_queries(1):
        emit("paid", durable=True)
    with django_assert_num_queries(4):
        emit("paid", durable=True)


def test_transaction_that_outlives_the_lease_sends_each_event_once(settings: Any) -> None:
    settings.REALTIME = {"DURABLE_LEASE": 0.01}
    with transaction.atomic():
        for number in range(3):
            emit("paid", number, to="a", durable=True)
        time.sleep(0.02)
        settings.REALTIME = {"DURABLE_LEASE": 60}
    assert emitted() == [("paid", 0), ("paid", 1), ("paid", 2)]


# What could not be sent


@pytest.mark.usefixtures("down")
def test_row_of_an_outage_is_neither_lost_nor_given_up(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REALTIME = {"DURABLE_ATTEMPTS": 1}
    with transaction.atomic():
        Group.objects.create(name="ours")
        emit("paid", durable=True)
    assert Group.objects.filter(name="ours").exists()
    (row,) = DurableEmit.objects.all()
    assert (row.state, row.attempts) == (State.WAITING, 1)
    assert row.error.startswith("ChannelLayerError: ")
    assert row.due_at > timezone.now()
    assert "could not be sent, attempt 1" in caplog.text
    assert "Traceback" not in caplog.text


def test_what_an_outage_left_over_is_sent_in_order_and_only_when_due(settings: Any) -> None:
    with real_layer():
        settings.CHANNEL_LAYERS = channel_layers(f"redis://127.0.0.1:{free_port()}/0", "core")
        emit("first", to="a", durable=True)
        emit("second", to=["a", "b"], durable=True)
    outbox.clear()  # a node that publishes records what it tries
    later = timezone.now() + timedelta(seconds=60)
    DurableEmit.objects.filter(event="first").update(due_at=later)
    emit("third", to="b", durable=True)
    emit("elsewhere", to="c", durable=True)
    emit("other namespace", to="a", namespace="/x", durable=True)
    # Those for the same rooms wait for it, and with them those behind them; nobody else does.
    assert emitted() == [("elsewhere",), ("other namespace",)]
    make_round("default")
    assert len(emitted()) == 2
    DurableEmit.objects.filter(event="first").update(due_at=timezone.now())
    assert make_round("default").sent == 3
    assert emitted()[2:] == [("first",), ("second",), ("third",)]


def test_everyone_waits_for_what_is_for_everyone_or_for_some() -> None:
    DurableEmit.objects.filter(pk=left_over("some", to="a").pk).update(
        due_at=timezone.now() + timedelta(seconds=60)
    )
    emit("everyone", durable=True)
    emit("others", to="b", durable=True)
    assert emitted() == []
    DurableEmit.objects.update(due_at=timezone.now())
    make_round("default")
    assert emitted() == [("some",), ("everyone",), ("others",)]


def test_emit_that_finds_an_older_one_due_sends_both() -> None:
    left_over("left over", to="a")
    late = counts["durable.late"]
    emit("new", to="a", durable=True)
    assert emitted() == [("left over",), ("new",)]
    assert counts["durable.late"] == late + 2


def test_row_is_its_writers_until_the_lease_is_over(settings: Any) -> None:
    settings.REALTIME = {"DURABLE_LEASE": 60}
    row = left_over("left over")
    DurableEmit.objects.update(due_at=row.created_at + timedelta(seconds=60))
    assert make_round("default").sent == 0
    DurableEmit.objects.update(due_at=timezone.now())
    assert make_round("default").sent == 1


def test_row_that_can_never_be_sent_is_given_up_and_holds_up_nobody(settings: Any) -> None:
    settings.REALTIME = {"DURABLE_ATTEMPTS": 2}
    broken = left_over("broken", to="a")
    DurableEmit.objects.update(body="[]")
    emit("behind it", to="a", durable=True)
    assert states() == [State.WAITING, State.WAITING]
    DurableEmit.objects.update(due_at=timezone.now())
    make_round("default")
    broken.refresh_from_db()
    assert (broken.state, broken.attempts) == (State.DEAD, 2)
    assert "Error" in broken.error
    make_round("default")
    assert emitted() == [("behind it",)]


def test_row_that_was_left_over_spares_the_page_that_caused_it() -> None:
    sid = new_sid(new_node_id())
    request = RequestFactory().get("/", headers={HEADER: sid})
    left_over("paid", to="a", skip=[request, "b"])
    make_round("default")
    assert outbox[0].skip == {sid, "b"}


@pytest.mark.parametrize("before", ["json", "msgpack"])
def test_row_outlives_a_change_of_the_parser(settings: Any, before: str) -> None:
    settings.REALTIME = {"PARSER": before}
    left_over("paid", {"id": 7, "file": b"\0\xff"}, "grüße", to="a")
    settings.REALTIME = {"PARSER": {"json": "msgpack", "msgpack": "json"}[before]}
    make_round("default")
    assert emitted() == [("paid", {"id": 7, "file": b"\0\xff"}, "grüße")]


def test_couriers_at_once_send_each_row_once() -> None:
    for number in range(40):
        left_over("paid", number, to=f"room {number % 4}")
    begin = threading.Barrier(4)

    def work() -> None:
        begin.wait()
        try:
            make_round("default")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    make_round("default")
    numbers = [args[0] for _, *args in emitted()]
    assert sorted(numbers) == list(range(40))
    for room in range(4):
        assert [n for n in numbers if n % 4 == room] == list(range(room, 40, 4))


# For people


def test_courier_command_makes_a_round(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    left_over("paid")
    call_command("realtime", "courier", "--once")
    assert capsys.readouterr().out == "1 sent, 0 failed.\n"
    left_over("broken")
    DurableEmit.objects.filter(state=State.WAITING).update(body="[]")
    with pytest.raises(CommandError, match="not everything"):
        call_command("realtime", "courier", "--once", "--json")
    assert json.loads(capsys.readouterr().out) == {"sent": 0, "failed": 1}


def test_admin_shows_dead_rows_and_retries_them(client: Client, settings: Any) -> None:
    settings.REALTIME = {"DURABLE_ATTEMPTS": 1}
    row = left_over("broken", to="a")
    good, row.body = row.body, "[]"
    row.save()
    make_round("default")
    boss = User.objects.create_superuser("boss", password="boss")
    client.force_login(boss)
    address = "/admin/realtime_durable/durableemit/"
    page = client.get(address, {"state__exact": "dead"}).content.decode()
    assert "broken" in page
    assert "Error:" in page
    assert client.get(f"{address}{row.pk}/change/").status_code == 200
    assert client.get(f"{address}add/").status_code == 403
    DurableEmit.objects.update(body=good)
    answer = client.post(address, {"action": "retry", "_selected_action": [row.pk]}, follow=True)
    assert "1 durable emit will be sent" in answer.content.decode()
    row.refresh_from_db()
    assert (row.state, row.attempts) == (State.WAITING, 0)
    make_round("default")
    assert emitted() == [("broken",)]


def test_who_may_only_look_retries_nothing(client: Client) -> None:
    from django.contrib.auth.models import Permission

    clerk = User.objects.create_user("clerk", password="clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_durableemit"))
    client.force_login(clerk)
    row = left_over("paid")
    DurableEmit.objects.update(state=State.DEAD)
    address = "/admin/realtime_durable/durableemit/"
    assert "paid" in client.get(address).content.decode()
    client.post(address, {"action": "retry", "_selected_action": [row.pk]})
    assert states() == [State.DEAD]


def test_settings_without_the_app_are_found(settings: Any) -> None:
    settings.REALTIME = {"DURABLE_ATTEMPTS": 3}
    assert check_durable() == []
    settings.INSTALLED_APPS = [a for a in settings.INSTALLED_APPS if a != "realtime.durable"]
    (message,) = check_durable()
    assert message.id == "realtime.E011"
    assert "migrate" in (message.hint or "")


class InATestCase(RealtimeAssertions, TestCase):
    """A test whose transaction never commits."""

    def test_durable_emits_are_captured_as_on_commit_ones(self) -> None:
        with capture_emits() as emits:
            emit("paid", 7, durable=True)
            emit("paid", 8, on_commit=True)
            assert not emits
        assert [(one.args, one.durable) for one in emits] == [((7,), True), ((8,), False)]
        self.assertEmitted("paid", 7)
        assert states() == [State.SENT]
