"""One run: the processes, their clients and emitters, the faults, and what is known at the end."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.live.farm import Farm, mishaps
from tests.live.servers import Redis, Server
from tests.soak import plan
from tests.soak.crowd import Crowd
from tests.soak.emitters import Outside, Views
from tests.soak.gate import Gate
from tests.soak.ledger import Client, Emission
from tests.soak.mischief import Mischief
from tests.soak.options import Options
from tests.soak.verdict import Ledger, Violation, violations

GATES = 4
VIEWS = 4
#: Seconds in which emitters speak before the first fault and after the last.
CALM = 2.0
#: Without the details in parentheses.
REFUSAL = re.compile(r"was not recovered: ([^(\n]+)")


@dataclass
class Outcome:
    options: Options
    clients: list[Client]
    emissions: list[Emission]
    faults: Counter[str]
    history: list[tuple[float, str]]
    #: Why servers say that clients had to begin anew.
    refusals: Counter[str]
    #: Names of processes whose logs have a traceback.
    mishaps: dict[str, str]
    violations: list[Violation]
    took: float


async def run(options: Options, folder: Path) -> Outcome:
    farm = Farm(folder)
    try:
        return await _run(options, farm, folder)
    finally:
        await asyncio.to_thread(farm.end)


async def _run(options: Options, farm: Farm, folder: Path) -> Outcome:
    begin = time.monotonic()
    redis, servers, environment = await asyncio.to_thread(_site, options, farm)
    crowd = Crowd(folder)
    views = Views(servers, options.room_names, options.seed)
    in_redis = redis is not None
    part = options.rate / (3 if in_redis else 2)
    outside = Outside(environment, part, options.seed, options.room_names)
    async with contextlib.AsyncExitStack() as stack:
        ports = [server.port or 0 for server in servers]
        gates = [await stack.enter_async_context(Gate(_turned(ports, n))) for n in range(GATES)]
        mischief = Mischief(gates, servers, redis)
        stack.callback(mischief.mend)
        urls = [gate.url for gate in gates]
        await crowd.start(urls, options.rooms_of_clients(), options.seed, part)
        stack.callback(crowd.kill)
        views.start(VIEWS, part)
        if in_redis:
            await outside.start()
        await asyncio.sleep(CALM)
        await mischief.run(plan.lanes(options), options.seconds)
        await asyncio.sleep(CALM)
        emissions = await outside.stop() if in_redis else []
        await views.stop()
        await crowd.quiet()
        clients, of_clients = await crowd.end(await views.last_words())
    emissions += views.emissions + of_clients
    news = farm.news()
    return Outcome(
        options,
        clients,
        emissions,
        mischief.counts,
        mischief.history,
        Counter(why.strip() for log in news.values() for why in REFUSAL.findall(log)),
        mishaps(news),
        list(violations(Ledger(emissions, clients), clients)),
        time.monotonic() - begin,
    )


def _site(options: Options, farm: Farm) -> tuple[Redis | None, list[Server], dict[str, str]]:
    environment = {
        "LIVE_REALTIME": json.dumps(options.realtime),
        "LIVE_LAYER": options.layer,
        "LIVE_LOG": "INFO",
    }
    redis = None
    if options.store == "redis":
        redis = Redis(farm.folder("redis"), keeps=True)
        farm.run(redis)
        environment["LIVE_REDIS"] = redis.url
    return redis, farm.own(*options.servers, **environment), environment


def _turned(ports: list[int], number: int) -> list[int]:
    """Each gate begins with another server."""
    number %= len(ports)
    return ports[number:] + ports[:number]
