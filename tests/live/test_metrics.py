"""The page of metrics and the spans of real servers."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.live.clients import post
from tests.live.conftest import Connect
from tests.live.farm import Farm
from tests.live.servers import Redis, Server, eventually


def read(server: Server) -> dict[str, float]:
    """A server's page, as {"name{labels}": value}."""
    request = urllib.request.Request(
        f"{server.url}/metrics/", headers={"Authorization": "Bearer of the tests"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


async def test_page_counts_what_clients_do(
    server: Server, connect: Connect, topic: str, room: str
) -> None:
    before = await asyncio.to_thread(read, server)
    clients = [await connect(server, topic, transports=["websocket"]) for _ in range(3)]
    for client in clients:
        await client.call("join", room)
    await clients[0].call("say", room, "hello", {})
    await clients[0].call("made up by a client")
    after = await asyncio.to_thread(read, server)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('realtime_sockets{namespace="/talk/<slug:topic>"}') == 3
    assert grown('realtime_connections{transport="websocket"}') == 3
    assert grown("realtime_rooms") == grown("realtime_namespaces") == 1
    assert grown('realtime_connects_total{outcome="accepted"}') == 3
    assert grown("realtime_events_received_total") == 5
    assert grown("realtime_events_unknown_total") == 1
    # A welcome for each, and what was said to all three.
    assert grown("realtime_events_sent_total") == 6
    assert grown("realtime_emits_total") == 4
    labels = 'consumer="tests.site.consumers.TalkConsumer",event="join"'
    assert grown(f'realtime_events_handled_total{{{labels},outcome="ok"}}') == 3
    assert grown(f"realtime_handler_seconds_count{{{labels}}}") == 3
    eventually(lambda: read(server)["realtime_healthy"] == 1, lambda: "not healthy")
    assert not any(topic in name or "made up" in name for name in after)
    for client in clients:
        await client.disconnect()
    eventually(
        lambda: disconnects(read(server)) == disconnects(before) + 3,
        lambda: "the sockets did not leave",
    )


def disconnects(page: dict[str, float]) -> float:
    """For whatever reason: it depends on which of the client's goodbyes comes first."""
    return sum(n for name, n in page.items() if name.startswith("realtime_disconnects_total"))


async def test_migrated_handlers_are_timed_too(server: Server, connect: Connect) -> None:
    before = await asyncio.to_thread(read, server)  # who never asked is not timed
    client = await connect(server, "/functions")
    await client.call("users")
    assert "error" in await client.call("pair", 1)
    after = await asyncio.to_thread(read, server)
    labels = 'consumer="python-socketio",event="users",outcome="ok"'
    name = f"realtime_events_handled_total{{{labels}}}"
    assert after[name] == before.get(name, 0) + 1
    well = f"realtime_events_handled_total{{{labels}}}".replace("users", "pair")
    assert after.get(well, 0) == before.get(well, 0)
    assert after['realtime_sockets{namespace="/functions"}'] >= 1


@pytest.mark.redis
async def test_way_of_an_emit_to_another_process_is_timed(
    cluster: list[Server], connect: Connect, room: str
) -> None:
    here, there = cluster
    listener = await connect(there, auth={"rooms": [room]})
    before = await asyncio.to_thread(read, there)
    await post(f"{here.url}/emit/", event="news", args=[1], to=room)
    assert await listener.next("news") == (1,)
    after = await asyncio.to_thread(read, there)
    name = "realtime_emit_arrival_seconds"
    assert after[f"{name}_count"] == before[f"{name}_count"] + 1
    assert after[f"{name}_sum"] > before[f"{name}_sum"]
    eventually(
        lambda: read(there)["realtime_nodes"] == read(there)["realtime_healthy"] + 1 == 2,
        lambda: "the process does not know the other one",
    )


@pytest.mark.redis
async def test_trace_goes_from_a_handler_over_the_layer_to_the_delivery(
    farm: Farm, redis_server: Redis, connect: Connect, topic: str, room: str, tmp_path: Path
) -> None:
    files = [tmp_path / kind for kind in ("daphne", "uvicorn")]
    servers = [
        farm.own(file.name, LIVE_REDIS=redis_server.url, LIVE_SPANS=str(file))[0] for file in files
    ]
    listener = await connect(servers[1], topic, auth={"rooms": [room]})
    talker = await connect(servers[0], topic)
    await talker.call("say", room, "hello", {})
    assert await listener.next("said") == ("hello",)
    route = "/talk/<slug:topic>"
    eventually(
        lambda: f"deliver said {route}" in spans(files[1]) and f"say {route}" in spans(files[0]),
        lambda: str([file.read_text() for file in files]),
    )
    handled, emitted = spans(files[0])[f"say {route}"], spans(files[0])[f"emit said {route}"]
    delivered = spans(files[1])[f"deliver said {route}"]
    assert handled["parent_id"] is None
    assert emitted["parent_id"] == handled["context"]["span_id"]
    assert delivered["parent_id"] == emitted["context"]["span_id"]
    assert len({span["context"]["trace_id"] for span in (handled, emitted, delivered)}) == 1
    assert delivered["attributes"]["realtime.to"] == [room]
    farm.end(*servers)


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_handler_of_python_socketio_runs_in_a_span(
    farm: Farm, connect: Connect, kind: str, tmp_path: Path
) -> None:
    (server,) = farm.own(kind, LIVE_SPANS=str(tmp_path / "spans"))
    client = await connect(server, "/functions")
    assert await client.call("pair", 1, 2) == (1, 2)
    eventually(lambda: "pair /functions" in spans(tmp_path / "spans"), lambda: "there is no span")
    handled = spans(tmp_path / "spans")["pair /functions"]
    assert handled["attributes"]["messaging.client.id"] == client.sid()
    farm.end(server)


def spans(file: Path) -> dict[str, Any]:
    """The spans in a file, by name."""
    text = file.read_text() if file.exists() else ""
    complete = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return {span["name"]: span for span in complete}
