"""A TCP load balancer for one test: round robin, and the next server where one takes nobody."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Self

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Balancer:
    """Listens at `port` of this machine while it is entered."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = 0
        self._ports = [*ports]
        self._turns = itertools.cycle(range(len(ports)))
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2_000)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *failure: object) -> None:
        # The clients are gone by now, so every connection ends by itself.
        self._server.close()
        await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        for port in self._order():
            try:
                theirs = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            await self._link((reader, writer), theirs)
            return
        writer.close()

    def _order(self) -> list[int]:
        """The servers in the order in which they are tried."""
        first = next(self._turns)
        return [*self._ports[first:], *self._ports[:first]]

    async def _link(self, ours: Streams, theirs: Streams) -> None:
        """Carry one connection until it ends."""
        await asyncio.gather(_pass_on(ours[0], theirs[1]), _pass_on(theirs[0], ours[1]))


class Preferring(Balancer):
    """Goes to the first server for as long as it takes anybody, and then to the next one."""

    def _order(self) -> list[int]:
        return self._ports


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
