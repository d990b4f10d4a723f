"""The processes of a cluster on this machine, and what the system and Redis say that they spent."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redis import Redis

from tests.bench.catalogue import Peer
from tests.bench.processes import Server, emitter, processor_seconds, redis, serving


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Totals at one moment; seconds of processor time, of each process by itself."""

    clock: float
    nodes: tuple[float, ...]
    sender: float
    redis: tuple[float, ...]
    commands: int
    #: Bytes that Redis has got and sent.
    received: int
    sent: int

    def since(self, before: "Reading") -> "Reading":
        return Reading(
            clock=self.clock - before.clock,
            nodes=_minus(self.nodes, before.nodes),
            sender=self.sender - before.sender,
            redis=_minus(self.redis, before.redis),
            commands=self.commands - before.commands,
            received=self.received - before.received,
            sent=self.sent - before.sent,
        )


Times = tuple[float, tuple[float, ...], float, tuple[float, ...]]


def _minus(now: tuple[float, ...], before: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(one - other for one, other in zip(now, before, strict=True))


class Farm:
    """Running servers of one peer, their Redis hosts, and a process without a server."""

    def __init__(
        self, peer: Peer, servers: list[Server], urls: list[str], sender: "subprocess.Popen[str]"
    ) -> None:
        self.peer = peer
        self.servers = servers
        self.urls = urls
        self.sender = sender
        self._redis = [Redis.from_url(url) for url in urls]
        self._pids = [self._said(host, "server")["process_id"] for host in self._redis]

    def close(self) -> None:
        for host in self._redis:
            host.close()

    @staticmethod
    def _said(host: "Redis", section: str) -> Any:
        return host.info(section)

    def begin(self) -> Reading:
        """The totals before something; Redis has answered by then."""
        stats = self._stats()
        return self._reading(self._times(), stats)

    def end(self) -> Reading:
        """The totals after it; Redis is asked only then, so that asking is not in its time."""
        times = self._times()
        return self._reading(times, self._stats())

    def _stats(self) -> list[Any]:
        return [self._said(host, "stats") for host in self._redis]

    def _times(self) -> Times:
        return (
            time.perf_counter(),
            tuple(server.processor_seconds() for server in self.servers),
            processor_seconds(self.sender.pid),
            tuple(map(processor_seconds, self._pids)),
        )

    @staticmethod
    def _reading(times: Times, stats: list[Any]) -> Reading:
        clock, nodes, sender, redis = times
        return Reading(
            clock=clock,
            nodes=nodes,
            sender=sender,
            redis=redis,
            commands=sum(said["total_commands_processed"] for said in stats),
            received=sum(said["total_net_input_bytes"] for said in stats),
            sent=sum(said["total_net_output_bytes"] for said in stats),
        )

    def resident_bytes(self) -> int:
        """Of all servers."""
        return sum(server.resident_bytes() for server in self.servers)

    def redis_bytes(self) -> int:
        """What Redis holds for its data and its clients."""
        return sum(self._said(host, "memory")["used_memory"] for host in self._redis)

    def settle(self) -> None:
        for server in self.servers:
            server.settle(quiet=0.1)


@contextlib.contextmanager
def farm(peer: Peer, nodes: int, hosts: int) -> Iterator[Farm]:
    """Run a cluster: all servers on one core, everything else on the other."""
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(redis()) for _ in range(hosts)]
        joined = ",".join(urls)
        servers = [stack.enter_context(serving(peer, REDIS_URL=joined)) for _ in range(nodes)]
        sender = stack.enter_context(emitter(peer, joined))
        running = Farm(peer, servers, urls, sender)
        stack.callback(running.close)
        yield running
