"""The test kit: what is recorded, what is asserted of it, and clients without a network."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.core import mail
from django.db import transaction
from django.test import TestCase

from realtime import (
    ConnectionRefused,
    SocketIOConsumer,
    acount_sockets,
    aemit,
    ais_online,
    call_servers,
    call_sockets,
    count_sockets,
    disconnect_sockets,
    emit,
    event,
    fetch_nodes,
    fetch_rooms,
    fetch_sockets,
    is_online,
    join_sockets,
    namespace,
    presence,
    room_sizes,
    routing,
    server_event,
)
from realtime.exceptions import SyncEmitInAsyncCode
from realtime.testing import (
    RealtimeAssertions,
    SocketIOClient,
    SocketIOCommunicator,
    assert_emitted,
    assert_not_emitted,
    capture_emits,
    operations,
    outbox,
)

REDIS = {
    "BACKEND": "channels_redis.core.RedisChannelLayer",
    # Nothing listens there: whoever tries finds out.
    "CONFIG": {"hosts": ["redis://127.0.0.1:1"]},
}


@pytest.fixture(params=["memory", "redis", "none"])
def any_layer(request: pytest.FixtureRequest, settings: Any) -> None:
    memory = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    layers = {"memory": {"default": memory}, "redis": {"default": REDIS}, "none": {}}
    settings.CHANNEL_LAYERS = layers[request.param]


# What is recorded


@pytest.mark.usefixtures("any_layer")
def test_emit_is_recorded_and_starts_nothing() -> None:
    before = threading.enumerate()
    emit("paid", 7, (1, Decimal("1.50")), to=["a", "b"], namespace="/x", skip="a", volatile=True)
    (found,) = outbox
    assert (found.event, found.args) == ("paid", (7, [1, "1.50"]))
    assert (found.to, found.namespace) == (("a", "b"), "/x")
    assert (found.skip, found.volatile) == ({"a"}, True)
    assert threading.enumerate() == before


@pytest.mark.usefixtures("any_layer")
async def test_aemit_is_recorded() -> None:
    await aemit("paid", b"binary")
    assert outbox[0].args == (b"binary",)


@pytest.mark.parametrize("bad", [object(), {1, 2}, float("nan"), User()])
def test_what_cannot_be_sent_still_raises(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        emit("paid", bad)
    assert list(outbox) == []


async def test_sync_emit_in_async_code_still_raises() -> None:
    with pytest.raises(SyncEmitInAsyncCode):
        emit("paid")


@pytest.mark.usefixtures("any_layer")
def test_operations_find_nobody_and_are_recorded() -> None:
    assert fetch_sockets().total == count_sockets("a") == fetch_rooms().total == 0
    assert room_sizes(["a"]) == {"a": 0}
    assert (
        join_sockets("a", to="b").sockets == disconnect_sockets("a", connection=True).sockets == 0
    )
    assert call_sockets("ask", 1).answers == call_servers("clear").answers == {}
    assert fetch_nodes().nodes == ()
    assert [asked.name for asked in operations][-4:] == [
        "disconnect_sockets",
        "call_sockets",
        "call_servers",
        "fetch_nodes",
    ]
    (asked,) = [asked for asked in operations if asked.name == "disconnect_sockets"]
    assert asked.arguments == {"to": "a", "connection": True}


@pytest.mark.usefixtures("any_layer")
@pytest.mark.django_db
def test_nobody_is_present() -> None:
    ada = User.objects.create_user("ada")
    assert presence("lobby") == ()
    assert not is_online(ada)
    assert [asked.name for asked in operations] == ["presence", "is_online"]


@pytest.mark.usefixtures("any_layer")
@pytest.mark.django_db(transaction=True)
async def test_nobody_is_present_in_async_code() -> None:
    ada = await User.objects.acreate(username="ada")
    assert not await ais_online(ada)
    assert await acount_sockets() == 0


@pytest.mark.usefixtures("any_layer")
def test_revoked_login_reaches_nobody(
    db: None, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    ada = User.objects.create_user("ada")
    with django_capture_on_commit_callbacks(execute=True):
        ada.set_password("x")
        ada.save()
        ada.delete()
    assert caplog.text == ""


SITE_WITH_LOCMEM = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "channels", "realtime"],
    EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
)
django.setup()
import django.test
from django.core import mail
mail.send_mail("subject", "body", None, ["ada@example.com"])
assert mail.outbox
from realtime import emit
from realtime.exceptions import ChannelLayerError
try:
    emit("event")
except ChannelLayerError:
    print("reaches out")
"""


def test_site_that_keeps_its_mail_in_memory_is_no_test() -> None:
    done = subprocess.run([sys.executable, "-c", SITE_WITH_LOCMEM], capture_output=True, text=True)
    assert done.stdout == "reaches out\n", done.stderr


class ReceiverCase(TestCase):
    """One test for each of Django's own TestCase: the outbox is empty in each."""

    def test_first(self) -> None:
        assert len(outbox) == 0
        emit("one")
        assert len(outbox) == 1

    def test_second(self) -> None:
        assert len(outbox) == 0
        emit("two")
        assert len(outbox) == 1

    def test_outbox_is_emptied_with_that_of_mail(self) -> None:
        emit("one")
        mail.outbox = []
        assert list(outbox) == []
        emit("two")
        assert [emitted.event for emitted in outbox] == ["two"]


# What is asserted of it


class AssertionCase(RealtimeAssertions, TestCase):
    def test_matches_what_is_given(self) -> None:
        ada = User.objects.create_user("ada")
        emit("paid", 7, {"sum": Decimal("1.50")}, to=[ada, "staff"], namespace="/orders")
        self.assertEmitted("paid")
        self.assertEmitted("paid", 7, {"sum": Decimal("1.50")})
        self.assertEmitted("paid", 7, {"sum": "1.50"}, count=1)
        self.assertEmitted("paid", mock.ANY, {"sum": mock.ANY}, to=ada)
        self.assertEmitted("paid", to=["staff", ada], namespace="/orders")
        self.assertNotEmitted("paid", 7)
        self.assertNotEmitted("paid", to="lobby")
        self.assertNotEmitted("paid", to=None)
        self.assertNotEmitted("paid", namespace="/")
        self.assertNotEmitted("message")
        with self.assertRaisesRegex(AssertionError, "An event was emitted"):
            self.assertNotEmitted()

    def test_everyone_is_none(self) -> None:
        emit("paid")
        self.assertEmitted("paid", to=None)
        self.assertNotEmitted("paid", to="paid")

    def test_failure_lists_what_was_emitted_instead(self) -> None:
        emit("message", "hello", to="lobby", namespace="/chat", volatile=True)
        with self.assertRaises(AssertionError) as caught:
            self.assertEmitted("paid", 7, to="lobby", namespace="/orders")
        self.assertEqual(
            str(caught.exception),
            "'paid' with 7 to 'lobby' in '/orders' was not emitted.\n"
            "Emitted in this test (1):\n"
            "  emit('message', 'hello', to=['lobby'], namespace='/chat', volatile=True)",
        )

    def test_failure_counts(self) -> None:
        emit("paid")
        with self.assertRaisesRegex(AssertionError, "'paid' was emitted once, not 2 times"):
            self.assertEmitted("paid", count=2)
        with self.assertRaisesRegex(AssertionError, "'other' was emitted never, not once"):
            self.assertEmitted("other", count=1)

    def test_failure_points_to_hooks_that_wait(self) -> None:
        emit("paid", on_commit=True)
        with self.assertRaisesRegex(AssertionError, "Nothing was emitted.\n.*have not run: 1.*"):
            self.assertEmitted("paid")


@pytest.mark.django_db
def test_capture_runs_hooks_once_however_blocks_nest() -> None:
    emit("before", on_commit=True)
    emit("outside")
    with capture_emits() as outer:
        emit("first", on_commit=True)
        with capture_emits() as inner:
            emit("second", on_commit=True)
            transaction.on_commit(lambda: emit("third", on_commit=True))
        assert [found.event for found in inner] == ["second", "third"]
    assert [found.event for found in outer] == ["second", "third", "first"]
    assert_not_emitted("before")
    assert_emitted("second", count=1)


@pytest.mark.django_db
def test_capture_leaves_out_what_rolled_back() -> None:
    with capture_emits() as emits, pytest.raises(ZeroDivisionError), transaction.atomic():
        emit("paid", on_commit=True)
        raise ZeroDivisionError
    assert emits == []


@pytest.mark.django_db
def test_capture_runs_no_hooks_where_the_block_raised() -> None:
    with pytest.raises(ZeroDivisionError), capture_emits() as emits:
        emit("paid", on_commit=True)
        raise ZeroDivisionError
    assert emits == []


@pytest.mark.django_db
def test_robust_hook_that_raises_keeps_no_other_from_running(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with capture_emits() as emits:
        transaction.on_commit(lambda: 1 / 0, robust=True)
        emit("paid", on_commit=True)
    assert len(emits) == 1
    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(ZeroDivisionError), capture_emits():
        transaction.on_commit(lambda: 1 / 0)


class AsyncCase(TestCase):
    async def test_capture_in_async_code(self) -> None:
        async with capture_emits() as emits:
            await sync_to_async(emit)("paid", on_commit=True)
            await aemit("now")
        assert [found.event for found in emits] == ["now", "paid"]

    async def test_channels_way_to_the_orm_keeps_the_transaction(self) -> None:
        client = SocketIOCommunicator(Kit, "/kit", user=await User.objects.acreate(username="ada"))
        await client.connect()
        assert await client.call("ccount") == 1
        assert await User.objects.acount() == 1
        await client.disconnect()

    async def test_communicator_encodes_as_on_the_wire(self) -> None:
        client = SocketIOCommunicator(Kit, "/kit", user=AnonymousUser())
        await client.connect()
        assert await client.call("echo", (1, 2), Decimal("1.5"), b"x") == ([1, 2], "1.5", b"x")
        for name in ("a_set", "emits_a_set"):
            with self.assertLogs("realtime.consumers", "ERROR"):
                assert (await client.call(name))["error"]["code"] == "internal"
        with self.assertRaises(TypeError):
            await client.emit("echo", {1, 2})
        await client.emit("put", "lobby")
        await client.call("echo", 1)
        assert_emitted("welcome", "", namespace="/kit", to=client.sid)
        await client.disconnect()


# The sync client


@pytest.fixture
def routes() -> Iterator[None]:
    kept = list(routing._routes)
    yield
    routing._routes[:] = kept


@pytest.fixture(autouse=True)
def consumers(routes: None) -> None:
    namespace("/kit")(Kit)
    namespace("/kit/<int:pk>")(Numbered)


class Kit(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        if auth == {"say": "no"}:
            raise ConnectionRefused("not you", data={"code": 1})
        if auth == {"say": "bug"}:
            raise ZeroDivisionError
        await self.join("all", presence=True)
        await self.emit("welcome", self.user.get_username())

    def disconnect(self, reason: str) -> None:
        User.objects.create(username=f"left: {reason}")

    @event
    def count(self) -> int:
        return User.objects.count()

    @event
    async def acount(self) -> int:
        return await User.objects.acount()

    @event
    async def ccount(self) -> int:
        count: int = await database_sync_to_async(User.objects.count)()
        return count

    @event
    def create(self, name: str) -> None:
        User.objects.create(username=name)
        self.emit("created", name, to="all", skip_self=True)

    @event
    async def put(self, room: str) -> None:
        await self.join(room)

    @event
    def ask(self) -> Any:
        return self.call("sure?", 1)

    @event
    async def aask(self) -> Any:
        return await self.call("sure?", 1)

    @event
    def whose(self) -> bool:
        emit("thread", threading.current_thread() is threading.main_thread(), namespace="/kit")
        return threading.current_thread() is threading.main_thread()

    @event
    def a_set(self) -> Any:
        return {1, 2}

    @event
    def a_model(self) -> Any:
        return User.objects.first()

    @event
    async def emits_a_set(self) -> None:
        await self.emit("bad", {1, 2})

    @event
    async def echo(self, *args: Any) -> Any:
        return args

    @event
    async def leave_me(self) -> None:
        await self.close()


class Numbered(SocketIOConsumer):
    @event
    def pk(self) -> int:
        pk: int = self.kwargs["pk"]
        return pk


@server_event("test-kit:count")
def count_users() -> int:
    return User.objects.count()


class ClientCase(RealtimeAssertions, TestCase):
    def test_handlers_see_the_rows_of_the_test(self) -> None:
        User.objects.create_user("ada")
        client = self.enterContext(SocketIOClient(Kit)).connect()
        assert client.call("count") == client.call("acount") == client.call("ccount") == 1
        client.emit("create", "grace")
        assert User.objects.filter(username="grace").exists()
        assert client.call("whose") is True
        assert client.received("thread") == [True]

    def test_user_is_the_one_who_logged_in(self) -> None:
        client = self.enterContext(SocketIOClient("/kit"))
        ada = User.objects.create_user("ada")
        client.force_login(ada)
        client.connect()
        assert (
            client.received()
            == [
                ("welcome", "ada"),
                ("presence:state", mock.ANY, mock.ANY),
            ][: len(client.received())]
        )
        assert is_online(ada)
        emit("hi", to=ada, namespace="/kit")
        assert client.received("hi") == [()]

    def test_session_may_be_that_of_djangos_client(self) -> None:
        self.client.force_login(User.objects.create_user("ada"))
        client = self.enterContext(SocketIOClient("/kit", http=self.client)).connect()
        assert client.received("welcome") == ["ada"]

    def test_clients_of_a_test_hear_each_other_and_the_views(self) -> None:
        one = self.enterContext(SocketIOClient("/kit")).connect()
        two = self.enterContext(SocketIOClient("/kit")).connect()
        one.emit("create", "grace")
        assert two.received("created") == ["grace"]
        assert one.received("created") == []
        two.call("put", "lobby")
        emit("news", 1, b"2", to="lobby", namespace="/kit")
        with capture_emits():
            emit("later", to=two.sid, namespace="/kit", on_commit=True)
        assert two.received()[-2:] == [("news", 1, b"2"), ("later",)]
        assert one.received("news") == one.received("later") == []
        self.assertEmitted("created", "grace", to="all")
        self.assertEmitted("news", to="lobby")
        assert count_sockets("lobby", namespace="/kit") == 1
        assert disconnect_sockets("lobby", namespace="/kit").sockets == 1
        two.received()
        assert not two.connected

    def test_server_event_runs_in_the_thread_of_the_test(self) -> None:
        User.objects.create_user("ada")
        self.enterContext(SocketIOClient("/kit")).connect()
        (answer,) = call_servers("test-kit:count").answers.values()
        assert answer == 1

    def test_disconnect_runs_the_handler_of_the_consumer(self) -> None:
        client = SocketIOClient("/kit").connect()
        client.disconnect()
        client.disconnect()
        assert User.objects.get().username == "left: client namespace disconnect"

    def test_refusal_is_raised(self) -> None:
        client = SocketIOClient("/kit")
        with self.assertRaisesRegex(ConnectionRefused, "not you") as caught:
            client.connect(auth={"say": "no"})
        assert caught.exception.data == {"code": 1}

    def test_name_that_is_no_namespace_is_refused_with_what_it_lacks(self) -> None:
        with self.assertRaisesMessage(ValueError, "a namespace must begin with '/': 'kit'"):
            SocketIOClient("kit")

    def test_unknown_namespace_is_refused(self) -> None:
        with self.assertRaisesRegex(ConnectionRefused, "Invalid namespace"):
            SocketIOClient("/nowhere").connect()

    def test_question_of_a_handler_is_answered(self) -> None:
        client = self.enterContext(SocketIOClient("/kit")).connect()
        client.answer("sure?", lambda number: number + 1)
        assert client.call("ask") == 2
        client.answer("sure?", "yes", "really")
        assert client.call("ask") == ("yes", "really")

    def test_question_may_be_answered_later(self) -> None:
        client = self.enterContext(SocketIOClient("/kit")).connect()
        client.emit("aask")
        assert client.received("sure?") == [1]
        client.answer("sure?", True)
        assert client.call("count") == 0

    def test_question_without_an_answer_says_so(self) -> None:
        client = self.enterContext(SocketIOClient("/kit")).connect()
        with self.assertRaisesRegex(AssertionError, "waits for a client's answer to 'sure\\?'"):
            client.call("ask", timeout=0.1)

    def test_arguments_are_what_a_client_can_send(self) -> None:
        client = self.enterContext(SocketIOClient("/kit")).connect()
        assert client.call("echo", (1, 2), Decimal("1.5"), b"x") == ([1, 2], "1.5", b"x")
        with self.assertRaises(TypeError):
            client.call("echo", {1, 2})

    def test_namespace_with_converters(self) -> None:
        client = self.enterContext(SocketIOClient("/kit/7")).connect()
        assert client.call("pk") == 7
        with self.assertRaisesRegex(ValueError, "'/kit/<int:pk>'"):
            SocketIOClient(Numbered)

    def test_socket_may_be_closed_by_its_consumer(self) -> None:
        client = self.enterContext(SocketIOClient("/kit")).connect()
        client.emit("leave_me")
        assert not client.connected
        with self.assertRaisesRegex(RuntimeError, "not connected"):
            client.emit("count")

    def test_log_out_ends_the_socket(self) -> None:
        self.client.force_login(User.objects.create_user("ada"))
        client = self.enterContext(SocketIOClient("/kit", http=self.client)).connect()
        self.client.logout()
        client.received()
        assert not client.connected

    def test_forgotten_client_is_not_there_in_the_next_test(self) -> None:
        SocketIOClient("/kit").connect()
        mail.outbox = []
        assert count_sockets(namespace="/kit") == 0
        client = self.enterContext(SocketIOClient("/kit")).connect()
        assert count_sockets(namespace="/kit") == 1
        assert client.call("count") == 0


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["a_set", "a_model", "emits_a_set"])
def test_what_cannot_be_sent_fails_as_it_does_live(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    User.objects.create_user("ada")
    with SocketIOClient("/kit").connect() as client, pytest.raises(TypeError):
        client.call(name)
    with SocketIOClient("/kit", raise_exceptions=False).connect() as client:
        assert client.call(name)["error"]["code"] == "internal"
    assert "TypeError" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("parser", ["json", "msgpack"])
def test_client_speaks_with_the_parser_of_the_settings(parser: str, settings: Any) -> None:
    settings.REALTIME = {"PARSER": parser}
    with SocketIOClient("/kit").connect() as client:
        assert client.call("echo", {"a": [1, b"x"]}, "4") == ({"a": [1, b"x"]}, "4")
        with pytest.raises(ConnectionRefused, match="not you") as caught:
            SocketIOClient("/kit").connect(auth={"say": "no"})
    assert caught.value.data == {"code": 1}
    assert_emitted("welcome", "")


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.django_db
@pytest.mark.parametrize("parser", ["json", "msgpack"])
def test_what_is_sent_may_be_nested_deeper_than_what_comes(parser: str, settings: Any) -> None:
    settings.REALTIME = {"PARSER": parser}

    @namespace("/deep")
    class Deep(SocketIOConsumer):
        @event
        async def say(self, depth: int) -> Any:
            await self.emit("said", nested(depth))
            return nested(depth)

        @event
        async def hear(self, value: Any) -> None: ...

    deep = nested(200)
    with SocketIOClient("/deep").connect() as client:
        assert client.call("say", 200) == deep
        emit("news", deep, namespace="/deep")
        assert client.received() == [("said", deep), ("news", deep)]
        assert client.call("hear", deep)["error"]["code"] == "bad_data"
    assert_emitted("news", deep)
    with pytest.raises(ValueError, match="argument 1 is nested deeper"):
        emit("news", nested(100_000))  # from Python 3.13 on, json takes thousands
    assert len(outbox) == 2


@pytest.mark.usefixtures("any_layer")
@pytest.mark.django_db
def test_client_needs_no_layer() -> None:
    with SocketIOClient("/kit").connect() as one, SocketIOClient("/kit").connect() as two:
        one.emit("create", "ada")
        assert two.received("created") == ["ada"]


async def test_sync_client_is_refused_in_async_code() -> None:
    with pytest.raises(SyncEmitInAsyncCode, match="SocketIOCommunicator"):
        SocketIOClient("/kit").connect()
