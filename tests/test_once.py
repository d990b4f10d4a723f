"""`@event(once=...)`: an event that its client sends again is handled once."""

import asyncio
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import override_settings

from realtime import EventError, SocketIOConsumer, event, routing
from realtime.checks.durable import check_durable
from realtime.metrics import counts
from realtime.once import memory
from realtime.testing import SocketIOCommunicator

handled: list[Any] = []
started = threading.Event()
gate = threading.Event()

LOCMEM = "django.core.cache.backends.locmem.LocMemCache"


@dataclass
class Line:
    key: str
    item: str


class Orders(SocketIOConsumer):
    @event(once="order.key")
    async def order(self, order: dict[str, Any]) -> dict[str, Any]:
        handled.append(order)
        return {"number": len(handled), "file": b"\0\xff"}

    @event("pay", once="key")
    def pay(self, amount: int, key: UUID | int = 0) -> tuple[int, str]:
        handled.append(amount)
        return amount, "paid"

    @event(once="line.key")
    async def line(self, line: Line) -> str:
        handled.append(line)
        return line.item

    @event(once=lambda *numbers: sum(numbers))
    async def numbers(self, *numbers: int) -> int:
        handled.append(numbers)
        return len(handled)

    @event(once="key", concurrent=True)
    def slow(self, key: str) -> int:
        handled.append(key)
        started.set()
        assert gate.wait(30)
        return len(handled)

    @event("slow too", once="key", concurrent=True)
    async def slow_too(self, key: str) -> int:
        return await sync_to_async(self.slow_work)(key)

    def slow_work(self, key: str) -> int:
        handled.append(key)
        started.set()
        assert gate.wait(30)
        return len(handled)

    @event(once="key")
    async def endless(self, key: str) -> int:
        handled.append(key)
        started.set()
        if len(handled) == 1:
            await asyncio.Event().wait()
        return len(handled)

    @event("fails late", once="key")
    async def fails_late(self, key: str) -> int:
        handled.append(key)
        started.set()
        if len(handled) == 1:
            await asyncio.sleep(0.05)
            raise RuntimeError("a bug")
        return len(handled)

    @event(once="key")
    async def fails(self, key: str) -> str:
        handled.append(key)
        if len(handled) == 1:
            raise EventError("sold out", code="sold_out")
        if len(handled) == 2:
            raise RuntimeError("a bug")
        return "at last"

    @event(once="key")
    async def long(self, key: str) -> str:
        handled.append(key)
        return 10_000 * "x"

    @event(once="key")
    async def unsendable(self, key: str) -> Any:
        handled.append(key)
        return object()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    handled.clear()
    started.clear()
    gate.clear()
    yield
    gate.set()


async def connected(**options: Any) -> SocketIOCommunicator:
    client = SocketIOCommunicator(Orders, **options)
    await client.connect()
    return client


@pytest.fixture
def ada() -> User:
    return User(pk=7, username="ada")


# The same event again


async def test_repeat_gets_the_first_answer(ada: User) -> None:
    kept = counts["repeats.kept"]
    client = await connected(user=ada)
    first = await client.call("order", {"key": "one"})
    assert first == {"number": 1, "file": b"\0\xff"}
    assert await client.call("order", {"key": "one"}) == first
    # On another connection, of which the client's ack ids say nothing.
    again = await connected(user=ada)
    assert await again.call("order", {"key": "one", "more": 1}) == first
    assert await again.call("order", {"key": "two"}) == {"number": 2, "file": b"\0\xff"}
    assert [order["key"] for order in handled] == ["one", "two"]
    assert counts["repeats.kept"] == kept + 2


async def test_repeat_without_an_ack_is_handled_once(ada: User) -> None:
    client = await connected(user=ada)
    await client.emit("order", {"key": "one"})
    await client.emit("order", {"key": "one"})
    await client.call("order", {"key": "two"})
    assert len(handled) == 2


async def test_handler_in_a_thread_with_several_answers(ada: User) -> None:
    client, key = await connected(user=ada), str(uuid4())
    assert await client.call("pay", 5, key) == (5, "paid")
    assert await client.call("pay", 6, key) == (5, "paid")
    assert await client.call("pay", 6, 17) == (6, "paid")
    assert handled == [5, 6]


async def test_key_in_a_dataclass_and_of_a_function(ada: User) -> None:
    client = await connected(user=ada)
    for _ in range(2):
        assert await client.call("line", {"key": "one", "item": "tea"}) == "tea"
        assert await client.call("numbers", 1, 2) == 2
    assert len(handled) == 2


async def test_events_of_one_key_are_two_if_their_names_or_namespaces_are(ada: User) -> None:
    for namespace in ["/", "/a"]:
        client = await connected(user=ada, namespace=namespace)
        await client.call("long", "one")
        await client.call("order", {"key": "one"})
    assert len(handled) == 4


async def test_repeat_waits_for_the_first(ada: User) -> None:
    before = counts["repeats.waited"] + counts["repeats.kept"]
    clients = [await connected(user=ada) for _ in range(3)]
    calls = [asyncio.ensure_future(client.call("slow", "one", timeout=30)) for client in clients]
    await asyncio.to_thread(started.wait, 30)
    assert not any(call.done() for call in calls)
    gate.set()
    assert await asyncio.gather(*calls) == [1, 1, 1]
    assert handled == ["one"]
    assert counts["repeats.waited"] + counts["repeats.kept"] == before + 2


@pytest.mark.parametrize("event", ["slow", "slow too"])
async def test_handler_whose_client_leaves_is_not_begun_again(ada: User, event: str) -> None:
    client, again = await connected(user=ada), await connected(user=ada)
    await client.send(event, "one")
    await asyncio.to_thread(started.wait, 30)
    client.future.cancel()  # as CLOSE_TIMEOUT seconds after its connection broke
    with pytest.raises(asyncio.CancelledError):
        await client.future
    call = asyncio.ensure_future(again.call(event, "one", timeout=30))
    await asyncio.sleep(0.1)
    gate.set()
    assert await call == 1
    assert handled == ["one"]


async def test_handler_whose_client_leaves_may_fail_and_is_ended_some_time(
    ada: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("realtime.once.handling.LEASE", 0.1)
    again = await connected(user=ada)
    for name, message in [("endless", ""), ("fails late", "failed after its client had left")]:
        client = await connected(user=ada)
        await client.send(name, "one")
        await asyncio.to_thread(started.wait, 30)
        started.clear()
        client.future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.future
        call = asyncio.ensure_future(again.call(name, "one", timeout=30))
        await asyncio.to_thread(started.wait, 30)  # it is begun again
        started.clear()
        gate.set()
        assert await call == 2
        async with asyncio.timeout(30):  # the first may end after the second
            while message not in caplog.text:
                await asyncio.sleep(0.01)
        gate.clear()
        handled.clear()


async def test_handler_that_takes_longer_than_the_lease_keeps_it(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "LEASE", 1)
    monkeypatch.setattr("realtime.once.handling.LEASE", 1)
    first, second = await connected(user=ada), await connected(user=ada)
    calls = [asyncio.ensure_future(first.call("slow", "one", timeout=30))]
    await asyncio.to_thread(started.wait, 30)
    calls.append(asyncio.ensure_future(second.call("slow", "one", timeout=30)))
    await asyncio.sleep(2)
    gate.set()
    assert await asyncio.gather(*calls) == [1, 1]


async def test_event_of_a_process_that_died_is_handled_when_its_lease_is_over(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "LEASE", 0.2)
    dead = await connected(user=ada)
    await dead.send("slow", "one")
    await asyncio.to_thread(started.wait, 30)
    # Nothing renews the lease any more, and nobody answers.
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if "_renew" in repr(task.get_coro()):
            task.cancel()
    started.clear()
    client = await connected(user=ada)
    call = asyncio.ensure_future(client.call("slow", "one", timeout=30))
    await asyncio.to_thread(started.wait, 30)
    gate.set()
    assert await call == 2


async def test_handler_that_failed_is_tried_again(ada: User) -> None:
    client = await connected(user=ada)
    assert (await client.call("fails", "one"))["error"]["code"] == "sold_out"
    assert (await client.call("fails", "one"))["error"]["code"] == "internal"
    assert await client.call("fails", "one") == "at last"
    assert await client.call("fails", "one") == "at last"
    assert len(handled) == 3


@pytest.mark.parametrize("name", ["long", "unsendable"])
async def test_answer_that_is_not_kept_is_told_so(ada: User, name: str) -> None:
    lost = counts["repeats.lost"]
    client = await connected(user=ada)
    await client.call(name, "one")
    assert (await client.call(name, "one"))["error"]["code"] == "answer_not_kept"
    assert len(handled) == 1
    assert counts["repeats.lost"] == lost + 1


async def test_answer_is_kept_if_the_setting_says_so(ada: User, settings: Any) -> None:
    settings.REALTIME = {"ONCE_ANSWER_BYTES": 11_000}
    client = await connected(user=ada)
    assert await client.call("long", "one") == await client.call("long", "one") == 10_000 * "x"


# Whose key it is


async def test_key_of_one_user_means_nothing_for_another(ada: User) -> None:
    await (await connected(user=ada)).call("order", {"key": "one"})
    other = await connected(user=User(pk=8, username="eve"))
    assert (await other.call("order", {"key": "one"}))["number"] == 2


async def test_nobodys_key_is_their_sockets_unless_it_is_random() -> None:
    first, second = await connected(), await connected()
    for number, client in enumerate([first, second, first, second], 1):
        answer = await client.call("order", {"key": "one"})
        assert answer["number"] == (number + 1) % 2 + 1
    key = str(uuid4())
    assert (await first.call("order", {"key": key}))["number"] == 3
    assert (await second.call("order", {"key": key}))["number"] == 3


@pytest.mark.parametrize("key", [None, "", 201 * "x", True, 1.5, ["one"], {"a": 1}])
async def test_key_that_is_none_is_refused(ada: User, key: Any) -> None:
    client = await connected(user=ada)
    error = (await client.call("order", {"key": key}))["error"]
    assert error["code"] == "bad_arguments"
    (fault,) = error["errors"]
    assert (fault["path"], fault["code"]) == (["order", "key"], "key")
    assert handled == []


async def test_event_without_its_key_is_refused(ada: User) -> None:
    client = await connected(user=ada)
    for args in [({},), ({"other": 1},)]:
        assert (await client.call("order", *args))["error"]["code"] == "bad_arguments"
    assert (await client.call("pay", 5))["error"]["code"] == "bad_arguments"


async def test_what_one_test_sent_is_no_repeat_in_the_next(ada: User) -> None:
    # `test_repeat_gets_the_first_answer` has the same key.
    assert (await (await connected(user=ada)).call("order", {"key": "one"}))["number"] == 1


# Declarations


def test_once_that_names_nothing_is_refused() -> None:
    def declare(once: Any, name: str = "order") -> None:
        class Wrong(SocketIOConsumer):
            @event(name, once=once)
            async def order(self, order: Any) -> None: ...

    for once, fault in [
        ("key", r"must begin with the name of a parameter \(order\)"),
        ("", "must begin"),
        (7, "must be a string or a function, not 7"),
    ]:
        with pytest.raises(TypeError, match=fault):
            declare(once)
    with pytest.raises(TypeError, match="an event with a name"):
        declare("order", "*")


def test_handler_with_the_ack_in_its_hands_is_refused() -> None:
    with pytest.raises(TypeError, match="can't have a parameter `ack`"):

        class Wrong(SocketIOConsumer):
            @event(once="key")
            async def order(self, key: str, *, ack: Any) -> None: ...


@pytest.mark.parametrize(
    ("backend", "debug", "fault"),
    [
        (LOCMEM, True, None),
        (LOCMEM, False, "private to each process"),
        ("django.core.cache.backends.dummy.DummyCache", True, "stores nothing"),
        ("django.core.cache.backends.filebased.FileBasedCache", False, None),
    ],
)
def test_cache_that_can_not_remember_is_found(
    monkeypatch: pytest.MonkeyPatch, backend: str, debug: bool, fault: str | None
) -> None:
    monkeypatch.setattr(routing, "_routes", list(routing._routes))
    caches = {"default": {"BACKEND": backend, "LOCATION": "nowhere"}}
    with override_settings(CACHES=caches, DEBUG=debug):
        assert check_durable() == []  # nothing is handled once
        routing.namespace("/orders-once")(Orders)
        messages = check_durable()
    assert [message.id for message in messages] == ([] if fault is None else ["realtime.W026"])
    assert fault is None or re.search(f"Orders.order .*{fault}", messages[0].msg)
