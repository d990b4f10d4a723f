"""What one client can make the server hold or do: each bound is tried to be exceeded."""

import asyncio
import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.conformance.conftest import KINDS, serve_talk
from tests.conformance.raw import PATIENCE, Link, WebSocket, fetch, head, start
from tests.conformance.servers import Server
from tests.conformance.talker import POLLING, TICK, WEBSOCKET, Talker

MEGABYTE = 1_000_000
LIMITS: dict[str, Any] = {
    "INBOX_BYTES": 2 * MEGABYTE,
    "MAX_NAMESPACES": 20,
    "NAMESPACE_RATE": 20,
    "PACKET_RATE": 500,
    "EVENT_RATE": 100,
    "CONNECT_TIMEOUT": 1.0,
    "CLOSE_TIMEOUT": 2.0,
    "CALL_TIMEOUT": 3,
    "THREADS": 4,
    "WEBSOCKET_COMPRESSION": True,
}


@pytest.fixture(scope="session", params=KINDS)
def narrow(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The talking site with low limits."""
    with serve_talk(request.param, tmp_path_factory, **LIMITS) as server:
        yield server


@pytest.fixture
async def neighbour(narrow: Server) -> Talker:
    return await Talker.joined(narrow.port)


async def until(condition: Any) -> None:
    """Wait for what the server does, which sends no event here."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(TICK)


async def load(neighbour: Talker, client: Talker) -> dict[str, Any]:
    [answer] = await neighbour.ask("load", client.sid)
    found: dict[str, Any] = answer
    return found


def deflated(text: str) -> bytes:
    compressor = zlib.compressobj(9, wbits=-15)
    return (compressor.compress(text.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


# Bytes


@pytest.mark.parametrize("first", ["slow", "ask"], ids=["a handler runs", "a handler calls"])
async def test_what_waits_for_its_handlers_is_bounded_in_bytes(
    narrow: Server, neighbour: Talker, first: str
) -> None:
    client = await Talker.joined(narrow.port)
    event = '2["nothing","' + "x" * 500_000 + '"]'
    client.send(f'2["{first}"]', *[event] * 40)

    async def is_paused() -> bool:
        return bool((await load(neighbour, client))["paused"])

    await until(is_paused)
    # What is over the bound is one event, the one that passed it.
    assert (await load(neighbour, client))["bytes"] < LIMITS["INBOX_BYTES"] + len(event) * 1.1
    client.cut()
    await neighbour.ended(client.sid)


async def test_values_are_counted_and_not_only_the_text_that_they_came_in(
    narrow: Server, neighbour: Talker
) -> None:
    client = await Talker.joined(narrow.port)
    client.send('2["slow"]', '2["nothing",' + "[]," * 100_000 + "1]")

    async def is_paused() -> bool:
        return bool((await load(neighbour, client))["paused"])

    await until(is_paused)
    assert (await load(neighbour, client))["bytes"] > 5 * MEGABYTE
    client.cut()


@pytest.mark.parametrize("kind", ["daphne", "uvicorn-websockets-sansio"])
async def test_values_are_counted_in_msgpack_too(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serve_talk(kind, tmp_path_factory, PARSER="msgpack", **LIMITS) as server:
        client, neighbour = await in_msgpack(server), await in_msgpack(server)
        client.send(packed("slow"), packed("nothing", [[]] * 200_000))
        # A byte for each list: it is the lists that fill the inbox.
        await heard(neighbour, packed("counted", "paused.inbox", id=1), 1)
        client.cut()


def packed(*data: Any, id: int | None = None) -> bytes:
    packet = {"type": 2, "nsp": "/", "data": data} | ({} if id is None else {"id": id})
    message: bytes = msgpack.packb(packet)
    return message


async def in_msgpack(server: Server) -> Talker:
    """A client whose packets are msgpack, in the default namespace."""
    client = await Talker.open(server.port)
    client.send(msgpack.packb({"type": 0, "nsp": "/"}))
    answer = await client.receive()
    assert isinstance(answer, bytes) and msgpack.unpackb(answer)["type"] == 0
    return client


async def heard(client: Talker, question: bytes, answer: int) -> None:
    """Ask until the answer is that."""

    async def is_so() -> bool:
        client.send(question)
        packet = await client.receive()
        assert isinstance(packet, bytes)
        return bool(msgpack.unpackb(packet)["data"] == [answer])

    await until(is_so)


async def test_namespaces_of_one_client_share_the_bound(narrow: Server, neighbour: Talker) -> None:
    client = await Talker.joined(narrow.port)
    for number in range(10):
        await client.join(f"/many/{number}")
        client.send(f'2/many/{number},["slow"]')
    text = "x" * 400_000
    client.send(*(f'2/many/{number},["nothing","{text}"]' for number in range(10)))

    async def is_paused() -> bool:
        return bool((await load(neighbour, client))["paused"])

    await until(is_paused)
    assert (await load(neighbour, client))["bytes"] < LIMITS["INBOX_BYTES"] + 500_000
    client.cut()


async def test_what_waited_is_handled_once_there_is_room(narrow: Server, neighbour: Talker) -> None:
    client = await Talker.joined(narrow.port)
    text = "x" * 500_000
    client.send('2["ask"]', *[f'2{n}["nothing","{n}","{text}"]' for n in range(12)])
    await client.receive()  # the question, whose answer would be behind what waits
    answers = [await client.receive() for _ in range(12)]
    assert [str(answer).partition("[")[0] for answer in answers] == [f"3{n}" for n in range(12)]
    assert (await load(neighbour, client))["bytes"] == 0


async def test_bytes_that_are_small_only_on_the_wire_are_bounded(
    narrow: Server, neighbour: Talker
) -> None:
    """permessage-deflate: a megabyte comes as a kilobyte, and servers inflate all they read."""
    extension = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    websocket = await WebSocket.open(narrow.port, WEBSOCKET, extension)
    if "permessage-deflate" not in websocket.headers.get("sec-websocket-extensions", ""):
        pytest.skip("this web server inflates nothing")
    await websocket.receive()
    before = narrow.memory
    websocket.send("40")
    await websocket.receive()
    websocket.send('42["slow"]')
    packet = deflated('42["nothing","' + "x" * 990_000 + '"]')
    for _ in range(500):
        websocket.send_frame(0x41, packet)
    most = 0
    for _ in range(50):
        assert await neighbour.ask("echo", 1) == [1]
        most = max(most, narrow.memory - before)
        await asyncio.sleep(TICK)
    assert most < 60 * MEGABYTE
    websocket.cut()


# What is left of a client


@pytest.mark.parametrize("way", ["idle", "call", "full", "refused", "crash", "leave"])
async def test_a_client_that_left_is_out_of_memory_without_a_look_for_cycles(
    narrow: Server, neighbour: Talker, way: str
) -> None:
    await neighbour.ask("collect", False)
    client = await Talker.joined(narrow.port)
    if way in ("call", "full"):
        client.send('2["ask"]')
        await client.receive()
    if way == "full":
        client.send(*['2["nothing","' + "x" * 500_000 + '"]'] * 20)
    if way == "refused":
        client.send('0/custom,{"refuse":1}')
        await client.receive()
    if way == "crash":
        client.send('21["crash"]')
        await client.receive()
    if way == "leave":
        client.send("1")
    else:
        client.cut()
    await neighbour.ended(client.sid)

    async def is_gone() -> bool:
        return client.sid not in (await neighbour.ask("alive"))[0]

    try:
        await until(is_gone)
    finally:
        await neighbour.ask("collect", True)


# Connects


async def test_sockets_that_left_count_until_their_applications_ended(
    narrow: Server, neighbour: Talker
) -> None:
    client = await Talker.joined(narrow.port)
    for number in range(30):
        client.send(f'0/many/{number},{{"sleep":1}}')
        if number < 19:
            client.send(f"1/many/{number},")
    refused = [await client.receive() for _ in range(11)]
    assert refused == [
        f'4/many/{number},{{"message":"Too many namespaces"}}' for number in range(19, 30)
    ]
    assert (await load(neighbour, client))["running"] == LIMITS["MAX_NAMESPACES"]
    assert (await neighbour.ask("counted", "refused.namespaces"))[0] >= 11

    async def are_over() -> bool:
        return bool((await load(neighbour, client))["running"] == 1)

    await until(are_over)
    await client.join("/many/1")


async def test_connects_have_a_rate(narrow: Server, neighbour: Talker) -> None:
    client = await Talker.joined(narrow.port)
    answers = []
    for _ in range(200):
        client.send('0/custom,{"refuse":1}')
        answers.append(await client.receive())
    too_many = answers.count('4/custom,{"message":"Too many namespaces"}')
    assert too_many > 100
    assert (await load(neighbour, client))["sockets"] == 1


async def test_a_client_with_many_connects_waits_for_itself(
    narrow: Server, neighbour: Talker
) -> None:
    client = await Talker.joined(narrow.port)
    client.send(*(f'0/many/{number},{{"sleep":1}}' for number in range(18)))
    await until(lambda: _has(neighbour, client, "connecting", 10))
    accepted = {(await client.receive())[:8] for _ in range(18)}  # type: ignore[index]
    assert all(str(answer).startswith("0/many/") for answer in accepted)
    assert (await load(neighbour, client))["connecting"] == 0


async def _has(neighbour: Talker, client: Talker, name: str, value: Any) -> bool:
    return bool((await load(neighbour, client))[name] == value)


async def test_a_client_that_left_its_only_namespace_is_closed_in_time(narrow: Server) -> None:
    client = await Talker.joined(narrow.port)
    client.send("1")
    assert await client.closed() == []


async def test_a_client_that_joins_again_in_time_stays(narrow: Server) -> None:
    client = await Talker.joined(narrow.port)
    client.send("1")
    await client.join("/custom")
    await asyncio.sleep(1.5)
    assert await client.ask("echo", 1, namespace="/custom") == [1]


# Rates


async def test_events_have_a_rate_over_all_namespaces(narrow: Server) -> None:
    client = await Talker.joined(narrow.port)
    for number in range(10):
        await client.join(f"/many/{number}")
    client.send(*(f'2/many/{n % 10},{n}["echo",1]' for n in range(1_500)))
    answers = [await client.receive() for _ in range(1_500)]
    refused = [answer for answer in answers if "rate_limited" in str(answer)]
    # Each namespace by itself had 150 events, which would be within the rate.
    assert len(refused) > 500


@pytest.mark.parametrize("packet", ["6", "3", "43999[]"], ids=["noops", "pongs", "unknown acks"])
async def test_a_client_that_sends_packets_beyond_their_rate_is_read_from_later(
    narrow: Server, neighbour: Talker, packet: str
) -> None:
    client = await Talker.joined(narrow.port)
    [before] = await neighbour.ask("counted", "paused.packet_rate")
    for _ in range(3_000):
        client.websocket.send(packet)
    client.send('21["echo",1]')
    assert await client.receive() == "31[1]"
    assert (await neighbour.ask("counted", "paused.packet_rate"))[0] > before


# Threads


async def test_a_thread_that_a_client_left_blocked_is_not_the_next_ones(
    narrow: Server, neighbour: Talker
) -> None:
    client = await Talker.joined(narrow.port)
    client.send('2["block"]')
    assert await client_is_busy(neighbour, client)
    client.cut()
    # Its handler is given up, and its thread goes on.
    await asyncio.sleep(LIMITS["CLOSE_TIMEOUT"] + 0.5)
    try:
        for _ in range(2 * LIMITS["THREADS"]):
            assert await neighbour.ask("in_thread") == ["in a thread"]
    finally:
        await neighbour.ask("unblock")
    assert await neighbour.ask("in_thread") == ["in a thread"]


async def client_is_busy(neighbour: Talker, client: Talker) -> bool:
    await until(lambda: _has(neighbour, client, "running", 1))
    await until(lambda: _has(neighbour, client, "events", 0))
    return True


@pytest.mark.parametrize("kind", KINDS[:2])
async def test_a_handler_that_sleeps_does_not_keep_the_process(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    times = {"DRAIN_TIMEOUT": 1.0, "CLOSE_TIMEOUT": 0.5}
    with serve_talk(kind, tmp_path_factory, **times) as server:
        client = await Talker.joined(server.port)
        client.send('2["block"]')
        await client.join("/custom")
        os.kill(server.pid, signal.SIGTERM)

        async def has_ended() -> bool:
            return not is_running(server.pid)

        await until(has_ended)


def is_running(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"


# Bodies


async def polling(server: Server) -> str:
    """The path of a new session that polls."""
    opening = await fetch(server.port, "GET", POLLING)
    return f"{POLLING}&sid={json.loads(opening.text[1:])['sid']}"


async def test_one_post_at_a_time_for_a_session(narrow: Server, neighbour: Talker) -> None:
    path = await polling(narrow)
    assert (await fetch(narrow.port, "POST", path, b"40")).status == 200
    await fetch(narrow.port, "GET", path)
    [before] = await neighbour.ask("counted", "closed.posts")
    # The first one waits, for the inbox is full.
    packets = ['42["slow"]', *['42["nothing","' + "x" * 90_000 + '"]'] * 8]
    body = "\x1e".join(packets).encode()
    links = [await start(narrow.port, "POST", path, body) for _ in range(5)]
    await asyncio.gather(*(link.response() for link in links))
    assert (await fetch(narrow.port, "GET", path)).status == 400
    assert (await neighbour.ask("counted", "closed.posts"))[0] == before + 1


@pytest.mark.parametrize("framing", ["Content-Length: 900000", "Transfer-Encoding: chunked"])
async def test_a_body_ends_with_its_session(narrow: Server, framing: str) -> None:
    if narrow.kind == "daphne":
        pytest.skip("Daphne keeps bodies to itself until they are complete")
    path = await polling(narrow)
    name, _, value = framing.partition(": ")
    link = await Link.open(narrow.port)
    link.write(head("POST", path, {"Host": f"127.0.0.1:{narrow.port}", name: value}))
    link.write(b"40")
    await asyncio.sleep(0.1)
    # The session ends by its timeout for a connect.
    assert (await link.response()).status == 400


@pytest.mark.parametrize(
    "target", ["/%73ocket.io/", "/socket.io%2F", "/mounted/socket.io/", "/%73ocket%2eio"]
)
async def test_every_spelling_of_the_path_has_the_limit(narrow: Server, target: str) -> None:
    path = await polling(narrow)
    headers = {"Transfer-Encoding": "chunked", "Host": f"127.0.0.1:{narrow.port}"}
    if "mounted" in target:
        if narrow.kind != "daphne":
            pytest.skip("a header of Daphne's")
        headers["Daphne-Root-Path"] = "/mounted"
    link = await Link.open(narrow.port)
    link.write(head("POST", target + "?" + path.partition("?")[2], headers))
    chunk = b"186a0\r\n" + b"4" * 100_000 + b"\r\n"
    before = narrow.memory
    try:
        for _ in range(100):
            link.write(chunk)
            await link.writer.drain()
    except ConnectionError:
        pass
    assert narrow.memory - before < 8 * MEGABYTE
    assert (await link.head())[0] == 413
    assert (await fetch(narrow.port, "GET", path)).status == 400


async def test_paths_that_requests_bring_are_not_kept(narrow: Server, neighbour: Talker) -> None:
    [before] = await neighbour.ask("kept paths")
    for number in range(20):
        root = f"/{number}".ljust(7_000, "x")
        path = f"{root}/socket.io/?EIO=4&transport=polling&sid=none"
        headers = {"Daphne-Root-Path": root} if narrow.kind == "daphne" else {}
        answer = await fetch(narrow.port, "GET", path, headers=headers)
        assert answer.status == (400 if narrow.kind == "daphne" else 404)
    assert await neighbour.ask("kept paths") == [before]


async def test_a_preflight_says_each_header_once(narrow: Server) -> None:
    headers = {
        "Origin": f"http://127.0.0.1:{narrow.port}",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-custom",
    }
    link = await start(narrow.port, "OPTIONS", POLLING, headers=headers)
    async with asyncio.timeout(PATIENCE):
        answer = await link.reader.readuntil(b"\r\n\r\n")
    names = [line.partition(b":")[0].lower() for line in answer.split(b"\r\n")[1:] if line]
    assert names.count(b"access-control-allow-origin") == 1
    assert len(names) == len(set(names))
    assert b"x-custom" in answer


@pytest.mark.parametrize("kind", KINDS)
async def test_max_payload_is_what_holds(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Servers have limits of their own, of one mebibyte or 16, beside what the handshake says."""
    with serve_talk(kind, tmp_path_factory, MAX_PAYLOAD=4 * MEGABYTE) as server:
        client = await Talker.joined(server.port)
        packet = '51-1["nothing",{"_placeholder":true,"num":0}]'
        client.send(packet, bytes(4 * MEGABYTE))
        assert str(await client.receive()).startswith("31[")
        client.send(packet, bytes(4 * MEGABYTE + 1))
        assert await client.closed() == []
        await until(partial(says_so, server, 1))
        # One within uvicorn's own limit, of 16 MiB, ends before it is there, and takes no more.
        client = await Talker.joined(server.port)
        before = server.memory
        announced = struct.pack("!BBQ", 0x82, 0xFF, 15 * MEGABYTE) + bytes(4)
        client.websocket.link.write(announced + bytes(14 * MEGABYTE))
        assert await client.closed() == []
        assert server.memory - before < 8 * MEGABYTE
        await until(partial(says_so, server, 2))


async def says_so(server: Server, times: int) -> bool:
    return server.log.count("larger than MAX_PAYLOAD allows") == times


# All at once


async def test_one_client_costs_no_more_than_docs_limits_says(
    narrow: Server, neighbour: Talker
) -> None:
    """Everything that it may do, all the time; another client is answered throughout."""
    # docs/limits.md, "Memory"; a third more for what the interpreter keeps to itself.
    outbox = 8 * MEGABYTE
    most = 2 * LIMITS["INBOX_BYTES"] + 3 * MEGABYTE + outbox + 10 * MEGABYTE
    client = await Talker.joined(narrow.port)
    for number in range(8):
        await client.join(f"/many/{number}")
    before = narrow.memory
    heavy = "x" * 900_000

    def attack(turn: int) -> None:
        client.send(f'2/many/{turn % 8},["ask"]', f'2/many/{turn % 8},["nothing","{heavy}"]')
        client.send('2["slow"]', '2["nothing",' + "[]," * 50_000 + "1]")
        client.send(f'0/many/{100 + turn},{{"sleep":1}}', f"1/many/{100 + turn},")
        for _ in range(500):
            client.websocket.send("6")

    peak = 0
    for turn in range(60):
        if turn < 30:
            attack(turn)
        assert await neighbour.ask("echo", turn) == [turn]
        peak = max(peak, narrow.memory)
        await asyncio.sleep(TICK)
    assert peak - before < most
    client.cut()
    await neighbour.ended(client.sid)


async def test_collector_runs_less_often_once_the_server_has_started(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('21["collector"]')
    await client.expect("31[10000,true]")


async def test_collector_is_left_alone_where_the_setting_says_so(strict: Server) -> None:
    # Python's own; in this process a server of another test may have raised it.
    command = [sys.executable, "-c", "import gc; print(gc.get_threshold()[0])"]
    usual = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    client = await Talker.joined(strict.port)
    client.send('21["collector"]')
    await client.expect(f"31[{usual},false]")
