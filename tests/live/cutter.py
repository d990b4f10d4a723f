"""A TCP proxy that cuts the connection at the moment when a server acknowledges an event."""

import asyncio
import itertools
import re
from collections.abc import Sequence

#: An ACK in a websocket's frame or a poll's answer: servers do not mask what they send.
_ACK = re.compile(rb"43(/[^,]*,)?\d+\[")


class Cutter:
    """Listens at `url` while it is entered; each connection goes to the next port in turn."""

    def __init__(self, ports: Sequence[int], cuts: int) -> None:
        self.url = ""
        #: How many acks have still to be cut off.
        self.cuts = cuts
        self._ports = itertools.cycle(ports)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Cutter":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._server.close()
        await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        server = await asyncio.open_connection("127.0.0.1", next(self._ports))
        await asyncio.gather(
            self._pass_on(reader, server[1], writer, is_answer=False),
            self._pass_on(server[0], writer, server[1], is_answer=True),
        )

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        *,
        is_answer: bool,
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if is_answer and self.cuts and _ACK.search(data):
                    self.cuts -= 1
                    back.close()
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
