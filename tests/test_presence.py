"""Presence without clients: the tables of nodes, and what nodes tell each other of them."""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.contrib.auth.models import AnonymousUser, User
from hypothesis import given
from hypothesis import strategies as st

from realtime import ais_online, apresence, is_online, presence
from realtime.cluster.cluster import Cluster
from realtime.engine.wheel import TimerWheel
from realtime.exceptions import ChannelLayerError, RoomError, SyncEmitInAsyncCode
from realtime.operations.reports import UserInfo
from realtime.presences import exchange
from realtime.presences.exchange import PresenceExchange
from realtime.presences.room import HostedRoom
from realtime.presences.table import Entry, RoomTable, key_of

ADA, GRACE, JOAN = (UserInfo(model="auth.user", pk=name, name=name) for name in ("ada", "gr", "jo"))
PATIENCE = 30


def names(people: Any) -> list[str]:
    return [present.user.name for present in people]


def entry(user: UserInfo, number: int, *, here: bool = True, since: float = 1.0) -> Entry:
    return Entry(user=user, sockets=int(here), since=since, number=number, here=here)


# One table


def test_user_with_sockets_on_two_nodes_is_present_once_since_the_first() -> None:
    table = RoomTable("b", 0)
    table.put(ADA, 2, now=50.0, number=5)
    table.learn("a", 9, [entry(ADA, 3, since=20.0), entry(GRACE, 9, since=90.0)])
    joined, left = table.take()
    assert (names(joined), left) == (["ada", "gr"], ())
    ada, grace = table.present()
    assert (ada.sockets, ada.since.timestamp()) == (3, 20.0)
    assert grace.since.timestamp() == 90.0


def test_user_who_goes_to_another_node_neither_leaves_nor_joins() -> None:
    table = RoomTable("b", 0)
    table.learn("a", 3, [entry(ADA, 3, since=20.0)])
    table.settle()
    table.take()
    table.put(ADA, 1, now=80.0, number=4)
    assert table.apply("a", 3, 5, [entry(ADA, 5, here=False)])
    assert table.take() == ((), ())
    assert table.confirm(key_of(ADA)) is None
    (ada,) = table.present()
    assert ada.since.timestamp() == 20.0


def test_change_that_follows_one_we_missed_is_not_taken() -> None:
    table = RoomTable("b", 0)
    assert not table.apply("a", 0, 1, [entry(ADA, 1)])
    table.learn("a", 1, [entry(ADA, 1)])
    assert not table.apply("a", 2, 3, [entry(ADA, 3, here=False)])
    table.take()
    assert names(table.present()) == ["ada"]


def test_what_comes_late_changes_nothing() -> None:
    table = RoomTable("b", 0)
    table.learn("a", 5, [entry(ADA, 5)])
    table.learn("a", 2, [entry(GRACE, 2)])
    assert table.apply("a", 1, 4, [entry(ADA, 4, here=False)])
    table.take()
    assert names(table.present()) == ["ada"]


def test_node_that_died_takes_its_users_along_and_the_smallest_node_says_so() -> None:
    table = RoomTable("b", 0)
    table.learn("a", 5, [entry(ADA, 5)])
    table.learn("c", 6, [])
    table.settle()
    table.take()
    table.drop("a")
    assert names(table.take()[1]) == ["ada"]
    transition = table.confirm(key_of(ADA))
    assert transition is not None
    assert (transition.user, transition.joined, transition.owner) == (ADA, False, "b")


def test_node_that_comes_late_leaves_the_announcing_to_who_had_the_user_first() -> None:
    early, late = RoomTable("b", 0), RoomTable("a", 0)
    early.put(ADA, 1, now=1.0, number=5)
    late.put(ADA, 1, now=1.0, number=6)
    for table, other in ((early, late), (late, early)):
        table.learn(other.node_id, other.numbers[other.node_id], other.own())
        table.settle()
    transition = early.confirm(key_of(ADA))
    assert transition is not None
    assert transition.owner == "b"
    assert late.confirm(key_of(ADA)) is None


def test_entry_survives_its_journey() -> None:
    packed = entry(ADA, 7, here=False).pack()
    assert Entry.unpack(packed) == entry(ADA, 7, here=False)
    assert all(isinstance(value, str | int | float | bool) for value in packed)


class Nodes:
    """Three tables of one room. Messages between two nodes stay in order, others in none."""

    def __init__(self) -> None:
        self.tables = {id: RoomTable(id, 0) for id in "abc"}
        self.clocks: dict[str, int] = defaultdict(int)
        self.ways: dict[tuple[str, str], deque[Any]] = defaultdict(deque)
        for table in self.tables.values():
            for id in self.tables:
                table.learn(id, 0, [])
            table.settle()

    def act(self, id: str, user: UserInfo, come: bool) -> None:
        table = self.tables[id]
        self.clocks[id] += 1
        if come:
            table.put(user, 1, now=1.0, number=self.clocks[id])
        else:
            table.remove(user, number=self.clocks[id])
        after, entries = table.told, table.untold()
        table.tell()
        for other in set(self.tables) - {id}:
            self.ways[id, other].append((after, table.told, entries))

    def deliver(self, way: tuple[str, str]) -> None:
        if self.ways[way]:
            sender, receiver = way
            after, number, entries = self.ways[way].popleft()
            self.clocks[receiver] = max(self.clocks[receiver], number)
            assert self.tables[receiver].apply(sender, after, number, entries)

    def confirm(self) -> dict[UserInfo, list[Any]]:
        """What each node makes of what happened, once all has arrived."""
        for way in list(self.ways):
            while self.ways[way]:
                self.deliver(way)
        views = defaultdict(list)
        for table in self.tables.values():
            table.take()
            for user in (ADA, GRACE):
                views[user].append(table.confirm(key_of(user)))
        return views


ids = st.sampled_from("abc")
acts = st.tuples(st.just("act"), ids, st.sampled_from([ADA, GRACE]), st.booleans())
deliveries = st.tuples(st.just("deliver"), st.tuples(ids, ids))


@given(st.lists(st.lists(st.one_of(acts, deliveries), max_size=12), max_size=5))
def test_all_nodes_agree_on_each_change_and_on_who_announces_it(rounds: list[Any]) -> None:
    nodes = Nodes()
    present: set[UserInfo] = set()
    for steps in rounds:
        for verb, *arguments in steps:
            getattr(nodes, verb)(*arguments)
        for user, views in nodes.confirm().items():
            assert views[0] == views[1] == views[2]
            if views[0] is not None:
                assert views[0].joined == (user not in present)
                present ^= {user}
        everywhere = [{p.user for p in table.everyone()} for table in nodes.tables.values()]
        assert everywhere == [present] * 3


# What nodes tell each other


class LossyLayer(InMemoryChannelLayer):  # type: ignore[misc]
    """Loses half of what nodes tell each other of presence, while it is `bad`."""

    bad = False
    lost = 0

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.bad and message["kind"].startswith("presence.") and random.random() < 0.5:
            LossyLayer.lost += 1
            return
        await super().group_send(group, message)


class Node:
    """One node's part in one room."""

    def __init__(self, id: str) -> None:
        self.cluster = Cluster(id * 10, lambda emission: 0)
        self.exchange = PresenceExchange(self.cluster, TimerWheel(), self.exchange_changed)
        self.changes: list[HostedRoom] = []

    def exchange_changed(self, room: HostedRoom) -> None:
        room.table.take()

    def start(self) -> None:
        self.cluster.start()
        self.host()

    def host(self) -> None:
        table = RoomTable(self.cluster.node_id, self.exchange.tick())
        self.room = HostedRoom(("/", "lobby"), table)
        self.exchange.host(self.room)

    def act(self, user: UserInfo, come: bool) -> None:
        if come:
            self.room.table.put(user, 1, now=1.0, number=self.exchange.tick())
        else:
            self.room.table.remove(user, number=self.exchange.tick())
        self.exchange.tell_changes(self.room)

    @property
    def view(self) -> list[str]:
        return sorted(names(self.room.table.everyone()))

    async def stop(self) -> None:
        await self.exchange.stop()
        await self.cluster.stop()


@pytest.fixture
async def nodes(settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Node]]:
    monkeypatch.setattr(exchange, "SYNC_INTERVAL", 0.3)
    monkeypatch.setattr(exchange, "RETRY", 0.2)
    monkeypatch.setattr(LossyLayer, "bad", False)
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.LossyLayer"}}
    settings.REALTIME = {"HEARTBEAT_INTERVAL": 0.1, "PRESENCE_GRACE": 0.2}
    nodes = [Node(id) for id in "abc"]
    for node in nodes:
        node.start()
    yield nodes
    for node in nodes:
        await node.stop()


async def agree(nodes: list[Node], expected: list[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while [node.view for node in nodes] != [expected] * len(nodes):
            await asyncio.sleep(0.02)


async def test_nodes_learn_of_each_other_and_of_changes(nodes: list[Node]) -> None:
    a, b, c = nodes
    a.act(ADA, True)
    b.act(GRACE, True)
    await agree(nodes, ["ada", "gr"])
    c.act(ADA, True)
    a.act(ADA, False)
    b.act(GRACE, False)
    await agree(nodes, ["ada"])


async def test_nodes_agree_again_after_every_second_message_was_lost(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    await agree(nodes, [])
    lost = LossyLayer.lost
    monkeypatch.setattr(LossyLayer, "bad", True)
    users = [UserInfo(model="auth.user", pk=str(n), name=str(n)) for n in range(8)]
    for _ in range(60):
        random.choice(nodes).act(random.choice(users), random.random() < 0.6)
        await asyncio.sleep(0.01)
    assert LossyLayer.lost > lost
    here = {u.name for n in nodes for e in n.room.table.own() if e.here for u in [e.user]}
    monkeypatch.setattr(LossyLayer, "bad", False)
    await agree(nodes, sorted(here))


async def test_node_that_lets_the_room_go_unheard_is_found_out(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = nodes
    a.act(ADA, True)
    await agree(nodes, ["ada"])
    a.exchange.rooms.clear()  # as if the message that says so, and ada's leaving, were lost
    await agree([b, c], [])
    a.host()
    await agree(nodes, [])


async def test_users_of_a_node_that_says_goodbye_leave_after_the_grace(nodes: list[Node]) -> None:
    a, *others = nodes
    a.act(ADA, True)
    others[0].act(GRACE, True)
    await agree(nodes, ["ada", "gr"])
    await a.stop()
    await agree(others, ["gr"])


# The verbs


@pytest.mark.usefixtures("real_layer")
def test_verbs_refuse_what_cannot_be_answered() -> None:
    with pytest.raises(RoomError):
        presence(5)
    with pytest.raises(RoomError, match="save it"):
        is_online(User())
    with pytest.raises(ChannelLayerError, match="configure channels_redis"):
        presence("lobby")
    with pytest.raises(ChannelLayerError, match="configure channels_redis"):
        is_online(User(pk=7))


@pytest.mark.usefixtures("real_layer")
async def test_sync_verbs_are_refused_in_async_code() -> None:
    with pytest.raises(SyncEmitInAsyncCode, match="apresence"):
        presence("lobby")
    with pytest.raises(SyncEmitInAsyncCode, match="ais_online"):
        is_online(User(pk=7))
    with pytest.raises(ChannelLayerError):
        await apresence("lobby")


async def test_anonymous_user_is_never_online() -> None:
    assert not is_online(AnonymousUser())
    assert not await ais_online(AnonymousUser())
