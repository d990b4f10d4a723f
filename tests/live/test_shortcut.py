"""Emits of a process without a server: what each costs, and what becomes of it when Redis is gone.

This process is one of a site whose other one is a channel of the layer, heard by the test itself.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import redis

from realtime import emit
from realtime.asgi import make_server
from realtime.cluster.layers import configured
from realtime.exceptions import ChannelLayerError
from realtime.node import publisher
from realtime.testing import real_layer
from tests.live.farm import Farm
from tests.live.layer_servers import LayerServer, layer_server
from tests.live.servers import Redis
from tests.site.layers import SITE, channel_layers

pytestmark = pytest.mark.redis

Hear = Callable[[int], Awaitable[list[int]]]

#: The commands of an emit to one room with one process in it.
COMMANDS = {
    "pubsub": ["PUBLISH"],
    "core": ["ZREMRANGEBYSCORE", "ZRANGE", "ZREMRANGEBYSCORE", "EVAL"],
}


@pytest.fixture(scope="module")
def own_redis(farm: Farm) -> Iterator[LayerServer]:
    """A Redis that no server of another test speaks to."""
    server = layer_server(farm, "own-redis")
    yield server
    farm.end(server)


@pytest.fixture
def address(own_redis: LayerServer) -> str:
    return own_redis.url


@pytest.fixture(autouse=True)
def without_server(settings: Any, address: str, layer: str) -> Iterator[None]:
    settings.CHANNEL_LAYERS = channel_layers(address, layer)
    settings.REALTIME = {"SITE": SITE, "EMIT_TIMEOUT": 2}
    with real_layer():
        yield
        publisher.close()


@pytest.fixture
def kept(settings: Any) -> None:
    """What is emitted is logged, for clients that come back."""
    settings.REALTIME = {**settings.REALTIME, "RECOVERY": {}}


@pytest.fixture
async def hear(own_redis: LayerServer, room: str, layer: str) -> AsyncIterator[Hear]:
    """The numbers that were emitted to the room, so many of them."""
    own = configured()
    channel = await own.new_channel("realtime")
    await own.group_add(publisher.publisher().bus.group(("/", room)), channel)
    messages = []

    async def next_ones(count: int) -> list[int]:
        async with asyncio.timeout(30):
            found = [await own.receive(channel) for _ in range(count)]
        messages.extend(found)
        return [int(message["messages"][0].rstrip("]").rpartition(",")[2]) for message in found]

    yield next_ones
    numbers = [tuple(message["series"]) for message in messages]
    assert len({series for series, _ in numbers}) <= 1


async def in_thread(work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await asyncio.to_thread(work, *args, **options)


@contextlib.contextmanager
def busy_loop() -> Iterator[None]:
    """The publisher's event loop does nothing but wait for the end of this."""
    has_begun, is_over = threading.Event(), threading.Event()

    def wait() -> None:
        has_begun.set()
        is_over.wait()

    publisher.publisher().loop.call_soon_threadsafe(wait)
    assert has_begun.wait(30)
    try:
        yield
    finally:
        is_over.set()


@contextlib.contextmanager
def commands(own_redis: LayerServer) -> Iterator[list[str]]:
    """The names of the commands that Redis gets meanwhile, scripts' own not among them."""
    names: list[str] = []
    url = own_redis.url
    with redis.Redis.from_url(url) as client, redis.Redis.from_url(url) as watcher:
        client.ping()  # what it says of itself on a new connection is over
        with watcher.monitor() as monitor:
            yield names
            client.echo("the end")
            for entry in monitor.listen():
                if entry["command"] == "ECHO the end":
                    break
                if entry["client_type"] != "lua":
                    names.append(entry["command"].split()[0])


# What an emit costs


async def test_emit_takes_no_turn_of_the_event_loop_and_no_command_but_the_layers(
    own_redis: LayerServer, hear: Hear, room: str, layer: str
) -> None:
    await in_thread(emit, "number", 0, to=room)
    assert await hear(1) == [0]

    def five() -> list[str]:
        with commands(own_redis) as names, busy_loop():
            for number in range(1, 6):
                emit("number", number, to=room)
        return names

    sent = [name for name in await in_thread(five) if not name.startswith(("BZ", "ZPOP"))]
    # What the core layer's hearer does goes on meanwhile.
    assert Counter(sent) & Counter(COMMANDS[layer] * 5) == Counter(COMMANDS[layer] * 5)
    assert Counter(sent)[COMMANDS[layer][-1]] == 5
    assert await hear(5) == [1, 2, 3, 4, 5]


async def test_emit_to_several_rooms_is_one_round_trip_on_the_pubsub_layer(
    own_redis: LayerServer, hear: Hear, room: str, layer: str
) -> None:
    def all_rooms() -> None:
        with busy_loop():
            emit("number", 1, to=[room, "b", "c"])

    await in_thread(emit, "number", 0, to=room)
    await in_thread(all_rooms)
    assert await hear(2) == [0, 1]


@pytest.mark.usefixtures("kept")
async def test_logged_emit_is_one_command_without_a_turn_of_the_loop(
    own_redis: LayerServer, room: str
) -> None:
    def emits() -> list[str]:
        emit("number", 0, to=room)  # Redis is told the script
        emit("number", 0, to=room, retain="key")
        with commands(own_redis) as names, busy_loop():
            emit("number", 1, to=room)
            emit("number", 2, to=room, retain="key")
            emit("number", 3, to=room, volatile=True)
        return names

    assert await in_thread(emits) == ["EVALSHA", "EVALSHA", "PUBLISH"]


async def test_process_that_emits_has_one_connection(own_redis: LayerServer, room: str) -> None:
    def connections() -> int:
        with redis.Redis.from_url(own_redis.url) as client:
            before = len(client.client_list())
            for number in range(3):
                emit("number", number, to=room)
            return len(client.client_list()) - before

    publisher.close()
    assert await in_thread(connections) == 1


async def refuse(*args: object) -> None:
    raise AssertionError("the event loop sends what the thread was to send")


async def test_thread_of_a_process_with_a_server_tells_the_other_processes_by_itself(
    hear: Hear, room: str
) -> None:
    server = make_server()
    server.start()
    try:
        server.node.bus.layer.group_send = refuse
        for number in range(3):
            await in_thread(emit, "number", number, to=room)
        assert await hear(3) == [0, 1, 2]
    finally:
        await server.shutdown()


# What may not change


async def test_emits_of_many_threads_all_arrive_each_threads_in_order(
    hear: Hear, room: str
) -> None:
    def some(first: int) -> None:
        for number in range(first, first + 10):
            emit("number", number, to=room)

    await asyncio.gather(*(in_thread(some, 10 * thread) for thread in range(20)))
    came = await hear(200)
    assert sorted(came) == list(range(200))
    for thread in range(20):
        own = [number for number in came if number // 10 == thread]
        assert own == sorted(own)


async def test_connection_that_redis_closed_costs_nobody_an_event(
    own_redis: LayerServer, hear: Hear, room: str, layer: str
) -> None:
    await in_thread(emit, "number", 0, to=room)
    with redis.Redis.from_url(own_redis.url) as client:
        last = COMMANDS[layer][-1].lower()
        lines = [found for found in client.client_list() if found["cmd"] == last]
        for line in lines:
            client.client_kill(line["addr"])
    assert lines
    await in_thread(emit, "number", 1, to=room)
    await in_thread(emit, "number", 2, to=room)
    assert await hear(3) == [0, 1, 2]


@pytest.mark.parametrize("layer", ["pubsub"])
def test_emit_that_is_interrupted_leaves_its_answer_to_nobody(
    own_redis: LayerServer, room: str
) -> None:
    """As Celery's soft time limit does: a signal's handler raises while Redis is waited for."""

    class OverTime(Exception):
        pass

    def raise_it(*args: object) -> None:
        raise OverTime

    assert isinstance(own_redis, Redis)
    emit("number", 0, to=room)
    before = signal.signal(signal.SIGALRM, raise_it)
    own_redis.pause()
    try:
        with pytest.raises(OverTime):
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            emit("number", 1, to=room)
    finally:
        own_redis.resume()
        signal.signal(signal.SIGALRM, before)
    with busy_loop_after_emit(room), redis.Redis.from_url(own_redis.url) as client:
        heard = client.pubsub()
        heard.subscribe(f"asgi__group__{publisher.publisher().bus.group(('/', room))}")
        assert heard.get_message(timeout=30)["type"] == "subscribe"
        emit("number", 3, to=room)
        assert b'"number",3]' in heard.get_message(timeout=30)["data"]


@contextlib.contextmanager
def busy_loop_after_emit(room: str) -> Iterator[None]:
    emit("number", 2, to=room)  # opens a connection again
    with busy_loop():
        yield


@pytest.mark.parametrize("layer", ["pubsub"])
def test_redis_that_hangs_is_said_after_the_timeout(own_redis: LayerServer, room: str) -> None:
    emit("number", 0, to=room)
    own_redis.pause()
    try:
        for _ in range(2):  # on the connection that there is, and on a new one
            with pytest.raises(ChannelLayerError, match="no answer in time"):
                emit("number", 1, to=room)
    finally:
        own_redis.resume()
    emit("number", 2, to=room)


# Where the answer gets lost


class Swallower:
    """A way to Redis that closes a connection in place of passing on an answer, once if `armed`."""

    def __init__(self, port: int) -> None:
        self.armed = False
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listening.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._port))
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, to: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError), source, to:
            while data := source.recv(65_536):
                if is_answer and self.armed:
                    self.armed = False
                    break
                to.sendall(data)
            for end in (source, to):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()


class TestLostAnswer:
    @pytest.fixture
    def swallower(self, own_redis: LayerServer) -> Iterator[Swallower]:
        assert isinstance(own_redis, Redis)
        swallower = Swallower(own_redis.port)
        yield swallower
        swallower.close()

    @pytest.fixture
    def address(self, swallower: Swallower) -> str:
        return swallower.url

    @pytest.mark.parametrize("layer", ["pubsub"])
    def test_message_that_is_sent_again_is_known_by_its_number(
        self, own_redis: LayerServer, swallower: Swallower, room: str
    ) -> None:
        emit("number", 0, to=room)
        with redis.Redis.from_url(own_redis.url) as client:
            heard = client.pubsub()
            heard.subscribe(f"asgi__group__{publisher.publisher().bus.group(('/', room))}")
            assert heard.get_message(timeout=30)["type"] == "subscribe"
            swallower.armed = True
            emit("number", 1, to=room)
            first, second = [heard.get_message(timeout=30)["data"] for _ in range(2)]
        assert first == second

    @pytest.mark.usefixtures("kept")
    @pytest.mark.parametrize("layer", ["pubsub"])
    @pytest.mark.parametrize("retain", [None, "key"])
    def test_event_is_logged_once(
        self, own_redis: LayerServer, swallower: Swallower, room: str, retain: str | None
    ) -> None:
        emit("number", 0, to=room, retain=retain)
        emit("number", 0, to=room, retain=retain)
        with redis.Redis.from_url(own_redis.url) as client:
            heard = client.pubsub()
            heard.psubscribe("asgi:realtime:*:live:*")
            assert heard.get_message(timeout=30)["type"] == "psubscribe"
            swallower.armed = True
            emit("number", 1, to=room, retain=retain)
            emit("number", 2, to=room, retain=retain)
            first, second = [heard.get_message(timeout=30)["data"] for _ in range(2)]
        assert b'"number",1]' in first
        assert b'"number",2]' in second
