"""A load balancer whose connections can be cut, frozen and stranded, and that can be shut."""

import asyncio
from collections.abc import Sequence

from tests.live.balancer import Balancer, Streams

CHUNK = 65_536


class Link:
    """One connection of a client through the gate."""

    def __init__(self, client: Streams, server: Streams) -> None:
        self._client = client
        self._server = server
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_stranded = False

    async def carry(self) -> None:
        await asyncio.gather(self._inwards(), self._outwards())

    async def _inwards(self) -> None:
        reader, writer = self._client[0], self._server[1]
        try:
            while data := await reader.read(CHUNK):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            # Of a stranded one the server hears nothing, the end neither.
            if not self._is_stranded:
                writer.close()

    async def _outwards(self) -> None:
        reader, writer = self._server[0], self._client[1]
        try:
            while data := await reader.read(CHUNK):
                await self._flows.wait()
                if not self._is_stranded:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            self._server[1].close()

    def cut(self) -> None:
        """As by a router that forgot the connection and says so: both sides know at once."""
        self._flows.set()
        self._client[1].transport.abort()
        self._server[1].transport.abort()

    def hang_up(self) -> None:
        """Both sides see an orderly end of the stream."""
        self._flows.set()
        self._client[1].close()
        self._server[1].close()

    def strand(self) -> None:
        """The client knows, and comes back; the server waits for a peer that is silent."""
        self._flows.set()
        self._is_stranded = True
        self._client[1].transport.abort()

    def freeze(self) -> None:
        """Nothing passes, either way, until it thaws."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()


class Gate(Balancer):
    """The way to the servers for some of the clients."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__(ports)
        #: Those that are carried, in the order in which they came.
        self.links: dict[Link, None] = {}
        self.is_open = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aexit__(self, *failure: object) -> None:
        self.shut()
        await super().__aexit__(*failure)

    def shut(self) -> None:
        """No way for anybody: what there is, is cut, and who comes is turned away."""
        self.is_open = False
        for link in tuple(self.links):
            link.cut()

    def open(self) -> None:
        self.is_open = True

    async def _link(self, ours: Streams, theirs: Streams) -> None:
        link = Link(ours, theirs)
        if not self.is_open:
            link.cut()
        self.links[link] = None
        try:
            await link.carry()
        finally:
            del self.links[link]
