"""What is measured: each scenario runs one peer's server and yields its samples."""

import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from tests.bench import wire
from tests.bench.catalogue import Peer
from tests.bench.load import Load
from tests.bench.peers.login import USER
from tests.bench.processes import (
    BenchError,
    Server,
    emitter,
    logged_in,
    processor_seconds,
    redis,
    serving,
)
from tests.bench.sizes import Sizes


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`cost` is the server's, in the figure's unit, and `wall` what a clock on the wall showed.

    `server` and `load` are the shares of the time in which the two processes were busy.
    """

    figure: str
    cost: float
    wall: float | None = None
    server: float | None = None
    load: float | None = None


class Meter:
    """Times a server and the load from `start` to `stop`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._before = self._now()

    def _now(self) -> tuple[float, float, float]:
        return self._server.processor_seconds(), time.process_time(), time.perf_counter()

    def stop(self) -> Self:
        spent = [now - before for now, before in zip(self._now(), self._before, strict=True)]
        self.processor, self.load, self.wall = spent
        return self

    def sample(self, figure: str, count: int) -> Sample:
        """Microseconds of processor time for each of `count`, and their number in a second."""
        return Sample(
            figure=figure,
            cost=self.processor / count * 1e6,
            wall=count / self.wall,
            server=self.processor / self.wall,
            load=self.load / self.wall,
        )


@contextlib.contextmanager
def _loaded(peer: Peer, headers: str = "", **environment: str) -> Iterator[tuple[Server, Load]]:
    with (
        serving(peer, **environment) as server,
        Load(server.port, peer.dialect, headers) as load,
    ):
        yield server, load


def fanout(peer: Peer, sizes: Sizes) -> Iterator[Sample]:
    """One emit to a room that all clients are in; the event that asks for it is in the cost."""
    with _loaded(peer) as (server, load):
        for size in sizes.fanout:
            load.connect(size - len(load.links))
            load.weigh_delivery()
            _rounds(load, 1, sizes.seconds / 4)
            server.settle()
            meter = Meter(server)
            rounds = _rounds(load, sizes.rounds, sizes.seconds)
            yield meter.stop().sample(f"fanout-{size}", rounds * size)


def _rounds(load: Load, least: int, seconds: float) -> int:
    end = time.perf_counter() + seconds
    done = 0
    while done < least or time.perf_counter() < end:
        load.fan()
        done += 1
    return done


def echo(peer: Peer, sizes: Sizes) -> Iterator[Sample]:
    """An event with an ack, from clients that each wait for it before they send the next."""
    yield _echo(peer, sizes, "echo")


def _echo(peer: Peer, sizes: Sizes, figure: str, headers: str = "") -> Sample:
    with _loaded(peer, headers) as (server, load):
        load.connect(sizes.clients)
        load.echo(sizes.clients, sizes.seconds / 4)
        server.settle()
        meter = Meter(server)
        answered = load.echo(sizes.clients, sizes.seconds)
        return meter.stop().sample(figure, answered)


def connect(peer: Peer, sizes: Sizes) -> Iterator[Sample]:
    """Handshakes, straight by websocket and, where there is polling, by polling and an upgrade."""
    ways = {"connect-websocket": False, "connect-polling": True}
    if peer.family == "channels":
        del ways["connect-polling"]
    for figure, polling in ways.items():
        with _loaded(peer) as (server, load):
            yield _connect(server, load, sizes, figure, polling)


def _connect(
    server: Server, load: Load, sizes: Sizes, figure: str, polling: bool = False
) -> Sample:
    load.connect(max(sizes.connects // 10, 2), polling)
    server.settle()
    meter = Meter(server)
    load.connect(sizes.connects, polling)
    wall = meter.stop().wall
    server.settle()
    cost = meter.stop().processor / sizes.connects * 1e6
    load.weigh_delivery()  # the proof that all are connected
    return Sample(figure=figure, cost=cost, wall=sizes.connects / wall)


def login(peer: Peer, sizes: Sizes) -> Iterator[Sample]:
    """Handshakes by websocket of a client with a session, whose user is in the database."""
    if peer.family not in ("realtime", "channels"):  # the others know no users
        return
    with (
        logged_in() as (database, key),
        _loaded(peer, wire.session(key), DATABASE=database) as (server, load),
    ):
        sample = _connect(server, load, sizes, "connect-login")
        if USER.encode() not in load.user():
            raise BenchError(f"{peer.label} does not know who its clients are")
        yield sample


def memory(peer: Peer, sizes: Sizes) -> Iterator[Sample]:
    """Resident memory of the server for each idle websocket, in KiB."""
    yield _memory(peer, sizes, "memory")


def _memory(peer: Peer, sizes: Sizes, figure: str, headers: str = "") -> Sample:
    with _loaded(peer, headers) as (server, load):
        load.connect(50)  # what is allocated once, at first use, is no socket's
        load.drop_all_but_one()
        server.settle()
        before = server.resident_bytes()
        load.connect(sizes.idle)
        server.settle()
        cost = (server.resident_bytes() - before) / sizes.idle / 1024
        return Sample(figure=f"{figure}-{sizes.idle}", cost=cost)


def compression(peer: Peer, sizes: Sizes) -> Iterator[Sample]:
    """What it costs that a client offers compression, as browsers do."""
    if peer.family not in ("realtime", "node"):
        return  # they compress what they send under uvicorn, and the load does not inflate
    yield _echo(peer, sizes, "echo-offered", wire.COMPRESSION)
    yield _memory(peer, sizes, "offered", wire.COMPRESSION)


def disconnect(peer: Peer, sizes: Sizes) -> Iterator[Sample]:
    """All clients but one gone at once, until the application has seen each of them leave."""
    with _loaded(peer) as (server, load):
        load.connect(sizes.disconnects[0])  # Node compiles what it has done often
        load.drop_all_but_one()
        for size in sizes.disconnects:
            server.settle()
            seen = load.seen_to_leave()
            load.connect(size)
            server.settle()
            meter = Meter(server)
            load.drop_all_but_one()
            while load.seen_to_leave() < seen + size:
                time.sleep(0.1)
            wall = meter.stop().wall
            server.settle()  # what is left to do for them after the application's part
            cost = meter.stop().processor / size * 1e6
            yield Sample(figure=f"disconnect-{size}", cost=cost, wall=wall)


def through_redis(peer: Peer, sizes: Sizes) -> Iterator[Sample]:
    """An emit by another process to a room of this one: the server's cost of the whole emit.

    `wall` is the median of the milliseconds from the emit until the last client had it. A second
    figure is the emitting process's own cost, which is one that serves nobody: a Celery worker.
    """
    with (
        redis() as url,
        _loaded(peer, REDIS_URL=url) as (server, load),
        emitter(peer, url) as process,
    ):
        load.connect(sizes.redis)
        server.settle()
        trigger = _writer(process.stdin)
        load.weigh_delivery(trigger)
        for _ in range(sizes.rounds):
            load.fan(trigger)
        server.settle()
        meter, before = Meter(server), processor_seconds(process.pid)
        times = [_timed(load, trigger) for _ in range(sizes.emits)]
        cost = meter.stop().processor / sizes.emits * 1e6
        yield Sample(figure=f"redis-{sizes.redis}", cost=cost, wall=statistics.median(times) * 1e3)
        cost = (processor_seconds(process.pid) - before) / sizes.emits * 1e6
        yield Sample(figure="worker", cost=cost)


def _writer(stream: object) -> Callable[[], None]:
    line = json.dumps(wire.PAYLOAD) + "\n"

    def trigger() -> None:
        stream.write(line)  # type: ignore[attr-defined]
        stream.flush()  # type: ignore[attr-defined]

    return trigger


def _timed(load: Load, trigger: Callable[[], None]) -> float:
    begun = time.perf_counter()
    _, last = load.fan(trigger)
    return last - begun


SCENARIOS: dict[str, Callable[[Peer, Sizes], Iterator[Sample]]] = {
    "fanout": fanout,
    "echo": echo,
    "connect": connect,
    "login": login,
    "memory": memory,
    "compression": compression,
    "disconnect": disconnect,
    "redis": through_redis,
}
