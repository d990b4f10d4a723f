"""Questions between nodes, in one process over the in-memory layer, and strange repliers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from realtime.cluster import groups
from realtime.cluster.bus import PROTOCOL, Bus, Message
from realtime.cluster.cluster import Cluster
from realtime.cluster.requests import AT_A_TIME
from realtime.exceptions import RealtimeError
from realtime.metrics import counts

pytestmark = pytest.mark.asyncio

Start = Callable[[str], Awaitable[Cluster]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    clusters: list[Cluster] = []

    async def start(node_id: str) -> Cluster:
        cluster = Cluster(node_id, lambda emission: 0)
        cluster.requests.answers["echo"] = lambda body: body
        cluster.start()
        clusters.append(cluster)
        for other in clusters:
            while len(other.nodes.live) < len(clusters) - 1:
                await asyncio.sleep(0.01)
        return cluster

    yield start
    for cluster in clusters:
        await cluster.stop()


class Impostor:
    """Hears questions as a node does, and replies as it likes."""

    def __init__(self, node_id: str) -> None:
        self.bus = Bus(node_id)
        self.questions: asyncio.Queue[Message] = asyncio.Queue()
        self.bus.on["request"] = self.questions.put_nowait

    async def begin(self) -> None:
        self.bus.open()
        self.bus.listen()
        await self.bus.layer.group_add(self.bus.group(groups.NODES), await self.bus.channel())

    async def beat(self) -> None:
        beat = {"beat": 1, "interval": 1.0, "draining": False, "hello": False, "bye": False}
        await self.bus.tell(groups.NODES, "beat", beat)

    async def reply(self, question: Message, **changes: Any) -> None:
        reply = self.bus.message(
            "reply", {"id": question["id"], "answer": "mine", "nodes": [self.bus.node_id]}
        )
        await self.bus.layer.send(question["reply_to"], reply | changes)


@pytest.fixture
async def impostor(start: Start) -> AsyncIterator[Impostor]:
    impostor = Impostor("impostor-0")
    yield impostor
    await impostor.bus.stop()


async def known(cluster: Cluster, impostor: Impostor) -> None:
    await impostor.begin()
    while impostor.bus.node_id not in cluster.nodes.live:
        await impostor.beat()
        await asyncio.sleep(0.01)


async def test_all_nodes_answer_and_their_errors_are_told(start: Start) -> None:
    first, second = await start("a" * 10), await start("b" * 10)

    def refuse(body: dict[str, Any]) -> None:
        raise RealtimeError("not today")

    def crash(body: dict[str, Any]) -> None:
        raise ZeroDivisionError

    second.requests.answers |= {"only here": refuse, "broken": crash}
    replies = await first.requests.ask("echo", {"n": b"1"})
    assert replies.answers == {first.node_id: {"n": b"1"}, second.node_id: {"n": b"1"}}
    replies = await first.requests.ask("only here")
    assert "another version of the app" in replies.failures[first.node_id]
    assert replies.failures[second.node_id] == "not today"
    replies = await first.requests.ask("broken", nodes=[second.node_id])
    assert replies.failures == {second.node_id: "'broken' failed there; its log says why"}


async def test_own_answer_that_takes_too_long_is_missing_too(start: Start) -> None:
    cluster = await start("a" * 10)
    cluster.requests.answers["slow"] = lambda body: asyncio.sleep(60)
    replies = await cluster.requests.ask("slow", timeout=0.05)
    assert replies.missing == (cluster.node_id,)


async def test_unknown_node_is_missing_without_waiting(start: Start) -> None:
    cluster = await start("a" * 10)
    replies = await cluster.requests.ask("echo", nodes=["nobody-000"], timeout=60)
    assert (replies.answers, replies.missing) == ({}, ("nobody-000",))


async def test_reply_that_comes_twice_or_late_changes_nothing(
    start: Start, impostor: Impostor
) -> None:
    cluster = await start("a" * 10)
    await known(cluster, impostor)
    asking = asyncio.create_task(cluster.requests.ask("echo"))
    question = await impostor.questions.get()
    late = counts["requests.late"]
    await impostor.reply(question)
    await impostor.reply(question, answer="another")
    replies = await asking
    assert replies.answers == {cluster.node_id: {}, "impostor-0": "mine"}
    replies = await cluster.requests.ask("echo", timeout=0.05)
    assert replies.missing == ("impostor-0",)
    await impostor.reply(await impostor.questions.get())
    while counts["requests.late"] < late + 2:
        await asyncio.sleep(0.01)


async def test_node_of_another_protocol_is_a_failure_that_names_both_versions(
    start: Start, impostor: Impostor
) -> None:
    cluster = await start("a" * 10)
    await known(cluster, impostor)
    asking = asyncio.create_task(cluster.requests.ask("echo", timeout=30))
    await impostor.reply(await impostor.questions.get(), version=PROTOCOL + 1)
    replies = await asking
    assert replies.failures == {
        "impostor-0": f"it speaks version {PROTOCOL + 1} of the protocol, not version {PROTOCOL}"
    }


async def test_question_of_another_protocol_is_answered_with_a_failure(
    start: Start, impostor: Impostor
) -> None:
    cluster = await start("a" * 10)
    await known(cluster, impostor)
    replies: asyncio.Queue[Message] = asyncio.Queue()
    impostor.bus.on["reply"] = replies.put_nowait
    question = impostor.bus.message(
        "request", {"id": "q", "reply_to": await impostor.bus.channel(), "new field": 1}
    )
    await impostor.bus.layer.group_send(
        impostor.bus.group(groups.NODES), question | {"version": PROTOCOL + 1}
    )
    reply = await asyncio.wait_for(replies.get(), 30)
    assert f"version {PROTOCOL + 1}" in reply["failure"]


async def test_node_that_says_goodbye_is_waited_for_no_longer(start: Start) -> None:
    first, second = await start("a" * 10), await start("b" * 10)
    second.requests.answers["slow"] = lambda body: asyncio.sleep(60)
    asking = asyncio.create_task(first.requests.ask("slow", nodes=[second.node_id], timeout=60))
    await asyncio.sleep(0.05)
    await second.nodes.beat(bye=True)
    assert (await asking).missing == (second.node_id,)


async def test_node_that_greets_a_new_one_has_not_missed_a_beat_of_its_own(
    start: Start, settings: Any
) -> None:
    settings.REALTIME = {"HEARTBEAT_INTERVAL": 0.1}
    first = await start("a" * 10)
    alarms: list[str] = []
    first.nodes.recovered.append(lambda: alarms.append("recovered"))
    heard: list[int] = []
    handle = first.bus.on["beat"]

    def hear(message: Message) -> None:
        heard.append(message["beat"])
        handle(message)

    first.bus.on["beat"] = hear
    await start("b" * 10)
    heard.clear()
    while len(heard) < 10:
        await asyncio.sleep(0.01)
    assert alarms == []


async def test_more_questions_than_a_node_takes_are_refused(
    start: Start, impostor: Impostor
) -> None:
    cluster = await start("a" * 10)
    await known(cluster, impostor)
    release = asyncio.Event()
    cluster.requests.answers["slow"] = lambda body: release.wait()
    replies: asyncio.Queue[Message] = asyncio.Queue()
    impostor.bus.on["reply"] = replies.put_nowait
    channel = await impostor.bus.channel()
    for number in range(AT_A_TIME + 2):
        body = {"id": str(number), "name": "slow", "body": {}, "reply_to": channel, "asked": 9e9}
        await impostor.bus.tell(groups.node_group(cluster.node_id), "request", body)
    reply = await asyncio.wait_for(replies.get(), 30)
    release.set()
    assert "already answering" in reply["failure"]


@pytest.mark.parametrize("node", [5, None, b"bytes", ["a"], "", "a node", "x" * 1_000])
async def test_beat_of_a_node_whose_id_is_none_is_ignored(start: Start, node: Any) -> None:
    cluster = await start("a")
    malformed = counts["layer.malformed"]
    message = cluster.bus.message(
        "beat", {"beat": 1, "interval": 1, "draining": False, "hello": False, "bye": False}
    )
    await cluster.bus.layer.send(await cluster.bus.channel(), message | {"node": node})
    async with asyncio.timeout(5):
        while counts["layer.malformed"] == malformed:
            await asyncio.sleep(0.01)
    assert sorted(cluster.nodes.live) == []
