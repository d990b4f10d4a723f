"""The examples of docs/history.md at work, and what the test kit shows of history."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.checks import run_checks

from realtime import SocketIOConsumer, aemit, emit, namespace, routing
from realtime import room as rule
from realtime.exceptions import RecoveryError
from realtime.node import emissions
from realtime.node.emissions import Emission
from realtime.node.rooms import new_sid
from realtime.recovery.logs import Logs
from realtime.recovery.options import forget, of_site
from realtime.recovery.positions import at
from realtime.recovery.store import Wanted
from realtime.testing import SocketIOClient, SocketIOCommunicator, outbox

from .documents import blocks


@pytest.fixture
def example() -> Iterator[Any]:
    """Runs the example of a class; its names are returned."""
    routes = list(routing._routes)

    def run(name: str) -> dict[str, Any]:
        [code] = [b.code for b in blocks() if b.document.endswith("history.md") and name in b.code]
        scope: dict[str, Any] = {"__name__": "snippet"}
        exec(compile(code, name, "exec"), scope)
        forget()
        return scope

    yield run
    routing._routes[:] = routes
    forget()


pytestmark = pytest.mark.django_db


def test_dashboard_has_all_figures_at_once_and_then_each_change(example: Any) -> None:
    figure_changed = example("DashboardConsumer")["figure_changed"]
    with SocketIOClient("/dashboard").connect() as first:
        for name, value in [("orders", 1), ("visits", 7), ("orders", 2)]:
            figure_changed(name, value)
        assert len(first.received("figure")) == 3
        with SocketIOClient("/dashboard").connect() as late:
            assert late.received() == [("figure", "visits", 7), ("figure", "orders", 2)]
            figure_changed("orders", 3)
            assert late.received("figure")[-1] == ("orders", 3)


def test_map_has_the_newest_position_of_each(example: Any) -> None:
    example("MapConsumer")
    with SocketIOClient("/map/oslo").connect() as bus:
        for step in range(3):
            bus.call("move", "bus 1", 59.9, float(step))
            bus.call("move", "bus 2", 60.0, float(step))
        with SocketIOClient("/map/oslo").connect() as late:
            assert late.received("position") == [("bus 1", 59.9, 2.0), ("bus 2", 60.0, 2.0)]
        with SocketIOClient("/map/rome").connect() as elsewhere:
            assert elsewhere.received() == []


def test_price_is_there_with_the_join(example: Any) -> None:
    example("SharesConsumer")
    with SocketIOClient("/shares").connect() as trader, SocketIOClient("/shares") as watcher:
        trader.call("trade", "ACME", 1.0)
        trader.call("trade", "ACME", 2.0)
        trader.call("trade", "OTHER", 9.0)
        watcher.connect()
        assert watcher.received() == []
        watcher.call("watch", "ACME")
        assert watcher.received() == [("price", "ACME", 2.0)]


def test_talk_has_its_last_events(example: Any) -> None:
    example("TalkConsumer")
    with SocketIOClient("/talk").connect() as speaker:
        for number in range(25):
            speaker.call("say", "lobby", f"{number}")
        speaker.call("say", "news", "of old")
        with SocketIOClient("/talk").connect() as late:
            said = [*map(str, range(5, 25)), "of old"]
            assert late.received("said") == said
            late.call("enter", "elsewhere")
            assert late.received("said") == said


# Bounds


def emission(room: str, retain: str | None = None, size: int = 10) -> Emission:
    return emissions.encode("e", ["x" * size], namespace="/", to=(room,), retain=retain)


def test_values_go_last_when_memory_is_full_and_a_client_that_lacks_one_is_told() -> None:
    logs, options, room = Logs(), of_site(), ("/", "a")
    logs.add(1, emission("a", "key", 5_000), options, 20_000)
    logs.add(2, emission("b", "key", 5_000), options, 20_000)
    for position in range(3, 30):
        logs.add(position, emission("a", size=5_000), options, 20_000)
        assert logs.bytes + logs.values.bytes <= 20_000
    assert [entry.position for entry in logs.past(room, Wanted(last=5)).values] == [1]
    assert logs.past(room, Wanted(last=5)).entries[-1].position == 29
    logs.add(30, emission("a", "key 2", 12_000), options, 20_000)
    logs.add(31, emission("c", "key", 5_000), options, 20_000)
    assert logs.past(("/", "b"), None).values == []
    assert [entry.position for entry in logs.past(room, None).values] == [30]
    assert logs.since(room, 0) is None
    assert [entry.position for entry in logs.since(room, 29) or ()] == [30]


def test_events_and_values_have_times_of_their_own_and_those_of_a_socket_go_with_it() -> None:
    logs, sid = Logs(), new_sid("everywhere")
    options = replace(of_site(), retention=100.0, history=1_000.0, retain_for=5_000.0)
    for number, room in enumerate(["a", sid], 1):
        logs.add(at(0) + number, emission(room), options, 10**6)
        logs.add(at(0) + number + 2, emission(room, "key"), options, 10**6)

    def there(seconds: float) -> list[tuple[int, int]]:
        logs.sweep(seconds)
        kept = [logs.past(("/", room), Wanted()) for room in ("a", sid)]
        return [(len(past.entries), len(past.values)) for past in kept]

    assert there(99) == [(1, 1), (1, 1)]
    assert there(101)[1][1] == 0
    assert there(999)[0] == (1, 1)
    assert there(1_001) == [(0, 1), (0, 0)]
    assert there(5_001) == [(0, 0), (0, 0)]
    assert logs.values.bytes == logs.bytes == 0


# The test kit, and emits that reach nobody


class Told(SocketIOConsumer):
    recovery = True

    async def connect(self, auth: Any) -> None:
        await self.join("lobby", history=20)
        await self.emit("price", 1, to="lobby", retain="ACME")


async def test_communicator_of_a_namespace_without_a_route_has_no_log() -> None:
    communicator = SocketIOCommunicator(Told, "/no/such", user=AnonymousUser())
    with pytest.raises(RecoveryError, match=r"history= needs the log of recovery"):
        await communicator.connect()
        await communicator.wait()


async def test_communicator_takes_history_and_keys(settings: Any) -> None:
    settings.REALTIME = {"RECOVERY": {}}
    communicator = SocketIOCommunicator(Told, "/told")
    await communicator.connect()
    assert communicator.rooms == {"lobby"}
    assert await communicator.receive_event() == ("price", 1)
    [emitted] = outbox
    assert emitted.retain == "ACME" and "retain='ACME'" in str(emitted)
    await communicator.disconnect()


def test_emits_name_their_keys_everywhere(settings: Any) -> None:
    settings.REALTIME = {"RECOVERY": {}}
    emit("price", 1, to="lobby", retain="ACME")
    assert [emitted.retain for emitted in outbox] == ["ACME"]
    with pytest.raises(ValueError, match="volatile"):
        emit("price", 1, retain="ACME", volatile=True)


async def test_key_without_recovery_is_an_error_before_anything_is_sent() -> None:
    with pytest.raises(RecoveryError, match=r'REALTIME = \{"RECOVERY": \{\}\}'):
        await aemit("price", 1, retain="ACME")
    assert not outbox


def test_key_without_recovery_is_an_error_before_the_transaction_commits() -> None:
    with pytest.raises(RecoveryError, match=r"recovery = True"):
        emit("price", 1, retain="ACME", on_commit=True)


# Rooms that clients join by themselves


def test_rule_gives_those_who_join_the_history_of_room_and_instance() -> None:
    kept, group = list(routing._routes), Group.objects.create(name="readers")

    @namespace("/ruled")
    class Ruled(SocketIOConsumer):
        recovery = True

        @rule("groups.<int:pk>", model=Group, history=2)
        def group(self, group: Group) -> bool:
            return True

        @rule("alone.<int:pk>", model=Group, history=timedelta(hours=1), instance_room=False)
        async def alone(self, group: Group) -> bool:
            return group.name == "readers"

    name = f"groups.{group.pk}"

    def say(*to: Any) -> None:
        for number, target in enumerate(to):
            emit("said", number, to=target, namespace="/ruled")

    forget()
    try:
        with SocketIOClient("/ruled").connect() as watcher:
            watcher.call("room:join", name)
            say(name, group, [name, group], group)
            assert watcher.received("said") == [0, 1, 2, 3]
            with SocketIOClient("/ruled").connect() as client:
                assert client.call("room:join", name) == {"room": name}
                # Two of the instance's own room, and then two of the other, one of them known.
                assert client.received("said") == [2, 3, 0]
                client.clear()
                say(f"alone.{group.pk}")
                client.call("room:join", f"alone.{group.pk}")
                assert client.received("said") == [0]
    finally:
        routing._routes[:] = kept
        forget()


@pytest.mark.parametrize(
    ("wrong", "error"), [(True, TypeError), ("1-0", TypeError), (1.5, TypeError), (-1, ValueError)]
)
def test_history_of_a_rule_is_checked_where_it_is_declared(
    wrong: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="history="):
        rule("lobby", history=wrong)(lambda self: True)


@pytest.mark.parametrize(
    ("recovery", "site", "is_fine"),
    [
        (None, None, False),
        (False, {}, False),
        (True, None, True),
        (None, {}, True),
        ({}, None, True),
    ],
)
def test_rule_with_history_needs_recovery(
    recovery: Any, site: Any, is_fine: bool, settings: Any
) -> None:
    kept = list(routing._routes)
    settings.REALTIME = {"RECOVERY": site}
    said = recovery

    @namespace("/ruled")
    class Ruled(SocketIOConsumer):
        recovery = said

        @rule("lobby", history=1)
        def lobby(self) -> bool:
            return True

    forget()
    try:
        found = run_checks()
        with SocketIOClient("/ruled", raise_exceptions=False).connect() as client:
            answer = client.call("room:join", "lobby")
    finally:
        routing._routes[:] = kept
        forget()
    assert [message.id for message in found if message.id == "realtime.E035"] == (
        [] if is_fine else ["realtime.E035"]
    )
    assert ("error" not in answer) == is_fine
