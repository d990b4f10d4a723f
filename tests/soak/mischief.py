"""Carries out the plan of faults, lane by lane; each mends what it broke."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import redis.asyncio

from tests.live.servers import Redis, Server
from tests.soak.gate import Gate, Link
from tests.soak.plan import Fault


class Mischief:
    def __init__(
        self, gates: Sequence[Gate], servers: Sequence[Server], redis: Redis | None
    ) -> None:
        self.counts: Counter[str] = Counter()
        #: (time, what) of each fault, for the evidence.
        self.history: list[tuple[float, str]] = []
        self._gates = gates
        self._servers = servers
        self._redis = redis
        self._thaws: set[asyncio.Task[None]] = set()

    async def run(self, lanes: dict[str, list[Fault]], seconds: float) -> None:
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for faults in lanes.values():
                group.create_task(self._lane(faults, start, seconds))
        await asyncio.gather(*self._thaws)

    def mend(self) -> None:
        """Let go on what was stopped, if the run ended before its time."""
        for process in (*self._servers, *filter(None, [self._redis])):
            if process.running:
                process.resume()

    async def _lane(self, faults: list[Fault], start: float, seconds: float) -> None:
        for fault in faults:
            await asyncio.sleep(max(0.0, start + fault.at - time.monotonic()))
            if time.monotonic() > start + seconds:
                break
            await self._do(fault)

    async def _do(self, fault: Fault) -> None:
        actions: dict[str, Callable[[Fault], Awaitable[str]]] = {
            "cut": self._cut,
            "hang up": self._hang_up,
            "strand": self._strand,
            "freeze": self._freeze,
            "lift": self._lift,
            "long lift": self._lift,
            "kill": self._kill,
            "drain": self._drain,
            "stop": self._stop,
            "redis restart": self._restart_redis,
            "redis stop": self._stop_redis,
            "redis sever": self._sever_redis,
        }
        began = time.time()
        whom = await actions[fault.kind](fault)
        self.counts[fault.kind] += 1
        took = time.time() - began
        self.history.append((began, f"{fault.kind} {whom} ({took:.1f} s)"))

    # Connections

    def _a_link(self, fault: Fault) -> Link | None:
        links = [link for gate in self._gates for link in gate.links]
        return links[int(fault.pick * len(links))] if links else None

    async def _cut(self, fault: Fault) -> str:
        if link := self._a_link(fault):
            link.cut()
        return "a connection"

    async def _hang_up(self, fault: Fault) -> str:
        if link := self._a_link(fault):
            link.hang_up()
        return "a connection"

    async def _strand(self, fault: Fault) -> str:
        if link := self._a_link(fault):
            link.strand()
        return "a connection"

    async def _freeze(self, fault: Fault) -> str:
        async def thaw(link: Link) -> None:
            await asyncio.sleep(fault.lasts)
            link.thaw()

        if link := self._a_link(fault):
            link.freeze()
            task = asyncio.create_task(thaw(link))
            self._thaws.add(task)
            task.add_done_callback(self._thaws.discard)
        return f"a connection for {fault.lasts:.1f} s"

    async def _lift(self, fault: Fault) -> str:
        number = int(fault.pick * len(self._gates))
        self._gates[number].shut()
        await asyncio.sleep(fault.lasts)
        self._gates[number].open()
        return f"gate {number}"

    # Processes

    def _a_server(self, fault: Fault) -> Server:
        return self._servers[int(fault.pick * len(self._servers))]

    async def _kill(self, fault: Fault) -> str:
        server = self._a_server(fault)
        server.kill()
        await asyncio.sleep(fault.lasts)
        server.start()
        await asyncio.to_thread(server.wait)
        return server.name

    async def _drain(self, fault: Fault) -> str:
        server = self._a_server(fault)
        await asyncio.to_thread(server.stop)
        server.start()
        await asyncio.to_thread(server.wait)
        return server.name

    async def _stop(self, fault: Fault) -> str:
        server = self._a_server(fault)
        server.pause()
        await asyncio.sleep(fault.lasts)
        server.resume()
        return server.name

    # Redis

    async def _restart_redis(self, fault: Fault) -> str:
        assert self._redis is not None
        await asyncio.to_thread(self._redis.stop)
        await asyncio.sleep(fault.lasts)
        self._redis.start()
        await asyncio.to_thread(self._redis.wait)
        return ""

    async def _stop_redis(self, fault: Fault) -> str:
        assert self._redis is not None
        self._redis.pause()
        await asyncio.sleep(fault.lasts)
        self._redis.resume()
        return ""

    async def _sever_redis(self, fault: Fault) -> str:
        """All connections to Redis end; Redis itself is well."""
        assert self._redis is not None
        async with redis.asyncio.Redis.from_url(self._redis.url) as client:
            for kind in ("normal", "pubsub"):
                await client.client_kill_filter(_type=kind, skipme=True)
        return ""
