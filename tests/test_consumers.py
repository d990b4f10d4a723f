"""SocketIOConsumer through its ASGI messages, in process."""

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404
from django.test import TestCase

from realtime import ConnectionRefused, EventError, SocketIOConsumer, event
from realtime.exceptions import CallError, CallTimeout
from realtime.node import rooms
from realtime.permissions import BasePermission, HasPermission, IsAuthenticated, IsStaff
from realtime.signals import event_failed, event_handled, socket_connected, socket_disconnected
from realtime.testing import SocketIOCommunicator


class Shelf(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        if auth:
            raise _DJANGOS[auth["error"]]

    @event
    def find(self, error: str) -> None:
        raise _DJANGOS[error]

    @event
    async def afind(self, error: str) -> None:
        raise _DJANGOS[error]


_DJANGOS = {
    "missing": Http404("No such book."),
    "missing path": Http404({"tried": []}),
    "denied": PermissionDenied("Not yours."),
    "denied without a word": PermissionDenied(),
}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("missing", {"code": "not_found", "message": "No such book."}),
        ("missing path", {"code": "not_found", "message": "Not found."}),
        ("denied", {"code": "forbidden", "message": "Not yours."}),
        ("denied without a word", {"code": "forbidden", "message": "You may not do this."}),
    ],
)
async def test_errors_of_django_are_answers(
    error: str, told: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    communicator = SocketIOCommunicator(Shelf)
    await communicator.connect()
    assert await communicator.call("find", error) == {"error": told}
    assert await communicator.call("afind", error) == {"error": told}
    await communicator.disconnect()
    assert not [record for record in caplog.records if record.exc_info]
    with pytest.raises(ConnectionRefused) as refused:
        await SocketIOCommunicator(Shelf, auth={"error": error}).connect()
    assert (refused.value.message, refused.value.data) == (told["message"], {"code": told["code"]})


class Echo(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        if auth == {"token": "wrong"}:
            raise ConnectionRefused("not you", {"code": 7})
        await self.emit("welcome", auth)

    @event
    async def echo(self, *args: Any) -> Any:
        return args

    @event("named event")
    async def named(self, value: Any) -> Any:
        return value

    @event
    async def nothing(self) -> None:
        return None

    @event
    async def optional(self, first: int, second: int = 2) -> int:
        return first + second

    @event
    async def boom(self) -> None:
        raise RuntimeError("a bug")

    @event
    async def wrong(self) -> None:
        raise EventError("no stock", code="sold_out", data={"left": 0})

    @event
    async def unencodable(self) -> Any:
        await self.join("~reserved")

    @event
    async def enter(self, room: str) -> list[str]:
        await self.join(room)
        return sorted(self.rooms)

    @event
    async def exit(self, room: str) -> list[str]:
        await self.leave(room)
        return sorted(self.rooms)

    @event
    async def say(self, room: str, text: str) -> None:
        await self.emit("said", text, to=room, skip_self=True)

    @event
    async def shout(self, text: str) -> None:
        await self.broadcast("shouted", text)

    @event
    async def ask(self, question: Any) -> Any:
        return await self.call("question", question, timeout=5)

    @event
    async def ask_briefly(self) -> Any:
        try:
            await self.call("question", timeout=0.01)
        except CallTimeout as error:
            return str(error)

    @event
    async def later(self, *, ack: Any) -> None:
        self.pending = ack

    @event
    async def now(self) -> None:
        await self.pending("late")
        await self.pending("never sent")

    @event("*")
    async def anything(self, name: str, *args: Any) -> Any:
        return {"caught": name, "args": list(args)}


async def connected(consumer: type[SocketIOConsumer], **options: Any) -> SocketIOCommunicator:
    communicator = SocketIOCommunicator(consumer, **options)
    await communicator.connect()
    return communicator


async def test_connect_emits_reach_the_client() -> None:
    client = await connected(Echo, auth={"token": "right"})
    assert await client.receive_event() == ("welcome", {"token": "right"})
    await client.disconnect()


async def test_connect_refused_carries_message_and_data() -> None:
    client = SocketIOCommunicator(Echo, auth={"token": "wrong"})
    with pytest.raises(ConnectionRefused, match="not you") as refused:
        await client.connect()
    assert refused.value.data == {"code": 7}


@pytest.mark.parametrize(
    ("returned", "answer"), [((1, "two", None), (1, "two", None)), ((b"x",), b"x"), ((), ())]
)
async def test_ack_of_a_tuple_has_several_values(returned: Any, answer: Any) -> None:
    client = await connected(Echo)
    assert await client.call("echo", *returned) == answer
    await client.disconnect()


async def test_ack_of_none_is_one_null() -> None:
    client = await connected(Echo)
    ack_id = await client.send("nothing")
    assert await client.receive_ack() == (ack_id, None)
    await client.disconnect()


async def test_event_name_may_differ_from_the_method() -> None:
    client = await connected(Echo)
    assert await client.call("named event", 5) == 5
    await client.disconnect()


@pytest.mark.parametrize("args", [(), (1, 2, 3)])
async def test_wrong_argument_count_is_answered_with_an_error(args: Any) -> None:
    client = await connected(Echo)
    answer = await client.call("optional", *args)
    assert answer["error"]["code"] == "bad_arguments"
    assert "1 to 2" in answer["error"]["message"]
    assert await client.call("optional", 1) == 3
    await client.disconnect()


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("named event", (), "'named event' takes 1 argument, not 0"),
        ("nothing", (1,), "'nothing' takes no arguments, not 1"),
        ("optional", (1, 2, 3), "'optional' takes 1 to 2 arguments, not 3"),
    ],
)
async def test_wrong_argument_count_is_told_in_english(name: str, args: Any, message: str) -> None:
    client = await connected(Echo)
    assert (await client.call(name, *args))["error"]["message"] == message
    await client.disconnect()


async def test_handler_that_raises_is_answered_and_the_socket_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = await connected(Echo)
    answer = await client.call("boom")
    assert answer == {"error": {"code": "internal", "message": "Internal error"}}
    assert [record.message for record in caplog.records if record.exc_info] != []
    assert await client.call("named event", 1) == 1
    await client.disconnect()


async def test_event_error_is_answered_as_raised_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = await connected(Echo)
    answer = await client.call("wrong")
    assert answer == {"error": {"code": "sold_out", "message": "no stock", "data": {"left": 0}}}
    assert [record for record in caplog.records if record.exc_info] == []
    await client.disconnect()


async def test_reserved_room_is_answered_with_an_error() -> None:
    client = await connected(Echo)
    assert (await client.call("unencodable"))["error"]["code"] == "bad_room"
    await client.disconnect()


async def test_catch_all_takes_what_no_other_handler_names() -> None:
    client = await connected(Echo)
    assert await client.call("typo", 1) == {"caught": "typo", "args": [1]}
    await client.disconnect()


class Counts(SocketIOConsumer):
    forgotten = 5

    @event
    async def none(self) -> None: ...

    @event
    async def one(self, value: Any) -> None: ...

    @event
    async def perhaps(self, value: Any = None) -> None: ...

    @event
    async def some(self, value: Any, *more: Any) -> None: ...

    async def forgot(self) -> None: ...


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("none", [1], "'none' takes no arguments, not 1"),
        ("one", [], "'one' takes 1 argument, not 0"),
        ("one", [1, 2], "'one' takes 1 argument, not 2"),
        ("perhaps", [1, 2], "'perhaps' takes 0 to 1 argument, not 2"),
        ("some", [], "'some' takes at least 1 argument, not 0"),
    ],
)
async def test_wrong_argument_count_is_said_in_english(
    name: str, args: list[Any], said: str
) -> None:
    client = await connected(Counts)
    answer = await client.call(name, *args)
    assert answer["error"] == {"code": "bad_arguments", "message": said}
    await client.disconnect()


@pytest.mark.parametrize("debug", [True, False])
async def test_a_method_without_event_is_told_of_in_development(
    debug: bool, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG = debug
    client = await connected(Counts)
    hint = ": Counts.forgot is there, but lacks @event" if debug else ""
    answer = await client.call("forgot")
    assert answer["error"]["message"] == f"unknown event 'forgot'{hint}"
    assert ("lacks @event" in caplog.text) is debug
    # What is no method of the project's is no hint.
    for name in ("forgotten", "join", "__init__", "socketio_event", "nothing"):
        answer = await client.call(name)
        assert answer["error"]["message"] == f"unknown event {name!r}"
    await client.disconnect()


@pytest.mark.parametrize("debug", [True, False])
async def test_what_a_misspelt_event_probably_meant_is_told_in_development(
    debug: bool, settings: Any
) -> None:
    settings.DEBUG = debug
    client = await connected(Counts)
    hints = {
        "perhpas": ": did you mean 'perhaps'?",
        "on": ": did you mean 'one'?",
        "room:join": ": Counts has no @room",
    }
    for name, near in hints.items():
        answer = await client.call(name)
        hint = near if debug else ""
        assert answer["error"]["message"] == f"unknown event {name!r}{hint}"
    assert "did you mean" not in (await client.call("one" * 10_000))["error"]["message"]
    await client.disconnect()


async def test_unknown_event_is_answered_with_an_error() -> None:
    class Silent(SocketIOConsumer):
        pass

    client = await connected(Silent)
    for name in ("nope", "connect_", "join", "handlers", "__init__", 5):
        answer = await client.call(name)  # type: ignore[arg-type]
        assert answer["error"]["code"] == "unknown_event"
    await client.disconnect()


async def test_a_consumer_may_look_at_all_messages_in_the_ways_of_channels() -> None:
    seen: list[str] = []

    class Watched(Echo):
        async def dispatch(self, message: Any) -> None:
            seen.append(message["type"])
            await super().dispatch(message)

        async def send(self, message: Any) -> None:
            seen.append(message["type"])
            await super().send(message)

    client = await connected(Watched)
    del seen[:]
    assert await client.call("echo", 1) == 1
    assert seen == ["socketio.event", "socketio.ack"]
    await client.disconnect()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({}, "no 'type'"),
        ({"type": "_hidden"}, "underscore"),
        ({"type": "no.such"}, "no method for 'no.such'"),
    ],
)
async def test_a_message_that_no_method_is_for_is_refused(message: Any, said: str) -> None:
    for _ in range(2):  # names of methods are remembered, refusals are not
        with pytest.raises(ValueError, match=said):
            await Echo().dispatch(message)


async def test_join_and_leave_change_the_rooms() -> None:
    client = await connected(Echo)
    assert await client.call("enter", "b") == ["b"]
    assert await client.call("enter", "a") == ["a", "b"]
    assert await client.call("exit", "b") == ["a"]
    await client.disconnect()


async def test_emit_to_a_room_skips_the_sender_when_asked() -> None:
    client = await connected(Echo)
    await client.call("say", "lobby", "hi")
    message = client.emitted[-1]
    assert message["to"] == ("lobby",)
    assert message["skip"] == (client.sid,)
    await client.disconnect()


async def test_broadcast_is_for_the_whole_namespace() -> None:
    client = await connected(Echo)
    await client.call("shout", "hi")
    assert client.emitted[-1]["to"] is None
    await client.disconnect()


async def test_call_inside_a_handler_gets_the_clients_answer() -> None:
    client = await connected(Echo)
    await client.receive_event()
    asked, sent_after = await client.send("ask", "2+2"), await client.send("echo", "after")
    assert await client.answer(4) == ("question", "2+2")
    assert await client.receive_ack() == (asked, 4)
    # What the client sent meanwhile waited, and was handled then.
    assert await client.receive_ack() == (sent_after, "after")
    await client.disconnect()


async def test_call_that_is_not_answered_times_out() -> None:
    client = await connected(Echo)
    assert "0.01 s" in await client.call("ask_briefly")
    assert await client.call("named event", 1) == 1
    await client.disconnect()


async def test_call_fails_when_the_client_leaves() -> None:
    failures = []

    class Asking(SocketIOConsumer):
        @event
        async def ask(self) -> None:
            try:
                await self.call("question")
            except CallError as error:
                failures.append(error)

    client = await connected(Asking)
    await client.emit("ask")
    await client.receive_event()
    await client.disconnect()
    assert len(failures) == 1


async def test_ack_given_later_is_sent_once() -> None:
    client = await connected(Echo)
    later, now = await client.send("later"), await client.send("now")
    await client.receive_event()
    assert await client.receive_ack() == (later, "late")
    assert await client.receive_ack() == (now, None)
    assert await client.receive_nothing()
    await client.disconnect()


@pytest.mark.parametrize("connection", [False, True])
async def test_a_consumer_may_close_its_socket_or_the_connection(connection: bool) -> None:
    class Closing(SocketIOConsumer):
        @event
        async def go(self) -> None:
            await self.emit("farewell")
            await self.close(connection=connection)

    client = await connected(Closing)
    await client.emit("go")
    assert await client.receive_close() is connection
    # What came before is not lost to who waited for the end.
    assert await client.receive_event() == ("farewell",)
    await client.disconnect()


async def test_events_of_one_socket_are_handled_in_order() -> None:
    class Slow(SocketIOConsumer):
        @event
        async def number(self, n: int) -> None:
            await asyncio.sleep(0.001 * (n % 3))
            self.data.setdefault("seen", []).append(n)

        @event
        async def seen(self) -> Any:
            return self.data["seen"]

    client = await connected(Slow)
    for n in range(20):
        await client.emit("number", n)
    assert await client.call("seen") == list(range(20))
    await client.disconnect()


async def test_concurrent_handlers_run_beside_others() -> None:
    class Both(SocketIOConsumer):
        async def connect(self, auth: Any) -> None:
            self.opened = asyncio.Event()

        @event(concurrent=True)
        async def wait(self) -> str:
            await self.opened.wait()
            return "waited"

        @event
        async def open(self) -> str:
            self.opened.set()
            return "opened"

    client = await connected(Both)
    ack_id = await client.send("wait")
    assert await client.call("open") == "opened"
    assert await client.receive_ack() == (ack_id, "waited")
    await client.disconnect()


async def test_def_handlers_of_two_sockets_do_not_wait_for_each_other() -> None:
    barrier = threading.Barrier(2)

    class Blocking(SocketIOConsumer):
        @event
        def meet(self) -> str:
            barrier.wait(timeout=30)
            return "met"

        @event
        async def meet_async(self) -> str:
            # Thread-sensitive, as the async ORM is: elsewhere one thread for the whole process.
            await sync_to_async(barrier.wait)(timeout=30)
            return "met"

    one, two = await connected(Blocking), await connected(Blocking)
    for name in ("meet", "meet_async"):
        assert await asyncio.gather(one.call(name), two.call(name)) == ["met", "met"]
    await one.disconnect()
    await two.disconnect()


async def test_def_handler_may_use_the_consumers_verbs() -> None:
    class Threaded(SocketIOConsumer):
        def connect(self, auth: Any) -> None:
            self.join("lobby")

        @event
        def hello(self) -> Any:
            self.emit("said", "from a thread", to="lobby")
            return self.call("name")

    client = await connected(Threaded)
    assert client.rooms == {"lobby"}
    ack_id = await client.send("hello")
    assert await client.receive_event() == ("said", "from a thread")
    assert await client.answer("ada") == ("name",)
    assert await client.receive_ack() == (ack_id, "ada")
    await client.disconnect()


@pytest.mark.django_db(transaction=True)
async def test_handlers_may_use_the_orm() -> None:
    class Users(SocketIOConsumer):
        @event
        def plain(self, name: str) -> int:
            return User.objects.create_user(name).pk

        @event
        async def asynchronous(self, name: str) -> bool:
            return await User.objects.filter(username=name).aexists()

        @event
        def is_connected(self) -> bool:
            return connection.connection is not None

    client = await connected(Users)
    assert isinstance(await client.call("plain", "ada"), int)
    assert await client.call("asynchronous", "ada") is True
    # As after a request, the connection was closed: CONN_MAX_AGE is 0 here.
    assert await client.call("is_connected") is False
    await client.disconnect()


async def test_disconnect_waits_for_the_handler_that_runs() -> None:
    steps = []

    class Careful(SocketIOConsumer):
        @event
        async def work(self) -> None:
            steps.append("began")
            await asyncio.sleep(0.01)
            steps.append("ended")

        async def disconnect(self, reason: str) -> None:
            steps.append(reason)

    client = await connected(Careful)
    await client.emit("work")
    await client.disconnect("ping timeout")
    assert steps == ["began", "ended", "ping timeout"]


class TestPermissions:
    async def test_anonymous_user_is_refused(self) -> None:
        class Private(SocketIOConsumer):
            permission_classes = [IsAuthenticated]

        client = SocketIOCommunicator(Private, user=AnonymousUser())
        with pytest.raises(ConnectionRefused, match="Log in first"):
            await client.connect()

    async def test_logged_in_user_is_in_its_own_room(self) -> None:
        class Private(SocketIOConsumer):
            permission_classes = [IsAuthenticated]

        client = await connected(Private, user=User(pk=7))
        assert client.rooms == {rooms.of_instance(User(pk=7))}
        await client.disconnect()

    @pytest.mark.parametrize(("staff", "accepted"), [(True, True), (False, False)])
    async def test_staff_only(self, staff: bool, accepted: bool) -> None:
        class Staff(SocketIOConsumer):
            permission_classes = [IsStaff]

        client = SocketIOCommunicator(Staff, user=User(pk=1, is_staff=staff))
        if accepted:
            await client.connect()
            await client.disconnect()
        else:
            with pytest.raises(ConnectionRefused):
                await client.connect()

    async def test_django_permission_is_needed(self) -> None:
        class Orders(SocketIOConsumer):
            permission_classes = [HasPermission("auth.change_user")]

        await (root := await connected(Orders, user=User(pk=1, is_superuser=True))).disconnect()
        assert root.rooms
        inactive = User(pk=2, is_superuser=True, is_active=False)
        with pytest.raises(ConnectionRefused, match=r"auth\.change_user"):
            await SocketIOCommunicator(Orders, user=inactive).connect()

    async def test_event_may_be_refused_alone(self) -> None:
        class ReadOnly(BasePermission):
            message = "Reading only."

            async def may_handle(self, consumer: Any, event: str, args: list[Any]) -> bool:
                return event == "read"

        class Notes(SocketIOConsumer):
            permission_classes = [ReadOnly]

            @event
            async def read(self) -> str:
                return "text"

            @event
            async def write(self) -> None:
                raise AssertionError("must not run")

        client = await connected(Notes)
        assert await client.call("read") == "text"
        error = (await client.call("write"))["error"]
        assert error == {"code": "forbidden", "message": "Reading only."}
        await client.disconnect()


class TestSignals:
    async def test_a_sockets_life_is_signalled(self) -> None:
        heard: list[tuple[str, Any]] = []

        def listener(name: str) -> Any:
            def hear(sender: Any, **facts: Any) -> None:
                heard.append((name, facts))

            return hear

        signals = {
            "connected": socket_connected,
            "handled": event_handled,
            "failed": event_failed,
            "disconnected": socket_disconnected,
        }
        listeners = {name: listener(name) for name in signals}
        for name, signal in signals.items():
            signal.connect(listeners[name], sender=Echo)
        try:
            client = await connected(Echo)
            await client.call("named event", 1)
            await client.call("boom")
            await client.disconnect("transport error")
        finally:
            for name, signal in signals.items():
                signal.disconnect(listeners[name], sender=Echo)
        assert [name for name, _ in heard] == ["connected", "handled", "failed", "disconnected"]
        handled, failed, left = heard[1][1], heard[2][1], heard[3][1]
        assert (handled["event"], handled["args"], handled["result"]) == ("named event", [1], 1)
        assert isinstance(failed["exception"], RuntimeError)
        assert (left["reason"], left["sid"]) == ("transport error", client.sid)

    async def test_a_receiver_that_raises_changes_nothing(self) -> None:
        def broken(sender: Any, **facts: Any) -> None:
            raise RuntimeError("receiver")

        event_handled.connect(broken, sender=Echo)
        try:
            client = await connected(Echo)
            assert await client.call("named event", 1) == 1
            assert await client.call("named event", 2) == 2
            await client.disconnect()
        finally:
            event_handled.disconnect(broken, sender=Echo)


class TestDeclarations:
    def test_reserved_event_names_are_refused(self) -> None:
        with pytest.raises(TypeError, match=r"connect\(auth\)"):

            class Wrong(SocketIOConsumer):
                @event("connect")
                async def on_connect(self) -> None: ...

    def test_handler_that_hides_a_verb_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r'@event\("join"\)'):

            class Wrong(SocketIOConsumer):
                @event
                async def join(self, room: Any) -> None: ...

    def test_keyword_only_parameter_without_default_is_refused(self) -> None:
        with pytest.raises(TypeError, match="positional arguments only"):

            class Wrong(SocketIOConsumer):
                @event
                async def move(self, *, x: int) -> None: ...

    def test_subclass_overrides_and_takes_back(self) -> None:
        class Less(Echo):
            nothing = None  # type: ignore[assignment]

            async def named(self, value: Any) -> Any:
                return "overridden"

        assert "nothing" not in Less.handlers
        assert "nothing" in Echo.handlers
        assert Less.handlers["named event"].call is Less.named


class TestInDjangosTestCase(TestCase):
    async def test_handlers_see_the_tests_own_transaction(self) -> None:
        class Users(SocketIOConsumer):
            @event
            def plain(self) -> int:
                return User.objects.count()

            @event
            async def asynchronous(self) -> int:
                return await User.objects.acount()

        await User.objects.acreate(username="ada")
        client = await connected(Users)
        self.assertEqual(await client.call("plain"), 1)
        self.assertEqual(await client.call("asynchronous"), 1)
        await client.disconnect()
