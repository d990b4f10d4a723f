"""The process of the stock clients."""

import asyncio
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from tests.soak.ledger import Client, Emission, read_client, read_emission
from tests.soak.options import NAMESPACE

SCRIPT = Path(__file__).parent / "clients.mjs"
#: Seconds for whatever it is asked; it gives up by itself before that.
PATIENCE = 200.0


class Crowd:
    def __init__(self, folder: Path) -> None:
        self._output = folder / "clients.json"

    async def start(self, gates: list[str], rooms: list[list[str]], seed: int, rate: float) -> None:
        node = shutil.which("node")
        assert node, "Node is not installed: make setup brings it"
        environment = {
            "GATES": ",".join(gates),
            "NAMESPACE": NAMESPACE,
            "ROOMS": json.dumps(rooms),
            "SEED": str(seed),
            "RATE": str(rate),
            "OUTPUT": str(self._output),
        }
        self._process = await asyncio.create_subprocess_exec(
            node,
            str(SCRIPT),
            env=os.environ | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self._says("ready")

    async def quiet(self) -> None:
        self._ask("quiet")
        await self._says("quiet")

    async def end(self, last_words: dict[str, list[Any]]) -> tuple[list[Client], list[Emission]]:
        """Wait until the clients have the last words; what they got, and what they said."""
        end = time.time()
        self._ask(f"end {json.dumps(last_words)}")
        await self._says("ended")
        await self._process.wait()
        told = json.loads(self._output.read_text())
        clients = [read_client(client) for client in told["clients"]]
        if not told["complete"]:
            for client in clients:
                if client.segments[-1].since < end and not client.has_all(last_words):
                    client.faults.append("did not get the last words of its rooms in time")
        return clients, [read_emission(emission) for emission in told["emissions"]]

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    def _ask(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def _says(self, word: str) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line.decode().strip() == word, f"the clients said {line!r}, and not {word}"
