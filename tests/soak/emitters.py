"""Those who emit: views, asked by HTTP, and a process without sockets."""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

import aiohttp

from tests.live.servers import Server, site_environment
from tests.soak.ledger import Emission, read_emission, whom
from tests.soak.options import NAMESPACE

#: A process that hangs answers when it goes on; until then another one is asked.
ANSWERS_WITHIN = aiohttp.ClientTimeout(total=10)
#: For the last word, which has to be said.
TRIES = 100


class Views:
    """Some emitters, each of which asks servers in turn, by chance."""

    def __init__(self, servers: Sequence[Server], rooms: list[str], seed: int) -> None:
        self.emissions: list[Emission] = []
        self._servers = servers
        self._rooms = rooms
        self._seed = seed
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, number: int, rate: float) -> None:
        self._tasks = [
            asyncio.create_task(self._speak(f"view {each}", rate / number))
            for each in range(number)
        ]

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _speak(self, emitter: str, rate: float) -> None:
        pick = random.Random(f"{self._seed} {emitter}")
        number = 0
        async with aiohttp.ClientSession(timeout=ANSWERS_WITHIN) as session:
            while not self._stopping:
                number += 1
                await self._emit(session, pick, emitter, number, whom(pick, self._rooms))
                await asyncio.sleep(pick.uniform(0.0, 2.0) / rate)

    async def _emit(
        self,
        session: aiohttp.ClientSession,
        pick: random.Random,
        emitter: str,
        number: int,
        to: Any,
    ) -> bool:
        order = {"event": "said", "args": [emitter, number], "namespace": NAMESPACE}
        if to is not None:
            order["to"] = to
        url = f"{pick.choice(self._servers).url}/{pick.choice(['emit', 'aemit'])}/"
        start, is_certain = time.time(), False
        try:
            async with session.post(url, json=order) as response:
                is_certain = response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        said = [emitter, number, to, start, time.time(), is_certain]
        self.emissions.append(read_emission(said))
        return is_certain

    async def last_words(self) -> dict[str, list[Any]]:
        """One more emission for each room, which goes well; their names, by room."""
        said: dict[str, list[Any]] = {}
        pick = random.Random(self._seed)
        number = 0
        async with aiohttp.ClientSession(timeout=ANSWERS_WITHIN) as session:
            for room in self._rooms:
                for _ in range(TRIES):
                    number += 1
                    if await self._emit(session, pick, "end", number, room):
                        break
                    await asyncio.sleep(0.2)
                said[room] = ["end", number]
        return said


class Outside:
    """A process of tests.soak.outside."""

    def __init__(self, environment: dict[str, str], rate: float, seed: int, rooms: list[str]):
        self._environment = os.environ | site_environment(environment)
        self._arguments = [str(rate), str(seed), *rooms]

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.soak.outside",
            *self._arguments,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._told = asyncio.create_task(self._read())

    async def _read(self) -> list[Emission]:
        assert self._process.stdout is not None
        return [read_emission(json.loads(line)) async for line in self._process.stdout]

    async def stop(self) -> list[Emission]:
        assert self._process.stdin is not None
        self._process.stdin.close()
        told = await self._told
        assert await self._process.wait() == 0, "the outside process failed"
        return told
