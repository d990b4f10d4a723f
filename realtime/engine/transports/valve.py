"""Flow control for a relayed websocket: the relay has to know how fast its client reads and writes.

uvicorn waits in `send` for a slow client, and stops reading while nobody calls `receive`. Daphne
does neither (see daphne.py), so that what one process relays would pile up in another's memory.
Both answer the client's pings by themselves, whether it reads the answers or not.
"""

from __future__ import annotations

import asyncio
from typing import Any

from . import daphne, uvicorn


class Valve:
    """Nothing to do: the web server's `send` and `receive` wait by themselves."""

    #: How many messages were sent.
    sent = 0

    def pause_reading(self) -> None:
        """Stop reading from the network."""

    def resume_reading(self) -> None:
        """Read again."""

    async def writable(self) -> None:
        """Wait until the client has read most of what was sent."""

    @property
    def unread(self) -> int:
        """Bytes that the web server holds for the client."""
        return 0

    def abort(self) -> None:
        """End the connection without a goodbye, which the client would not read."""

    def close(self) -> None:
        """The websocket is over, or about to be."""


class UvicornValve(Valve):
    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    @property
    def unread(self) -> int:
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        self._transport.abort()


class DaphneValve(Valve):
    """A Twisted producer (`IPushProducer`), told by the transport when its buffer is full."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._writable = asyncio.Event()
        self._writable.set()
        # As in DaphneWire: the HTTP channel that is still registered would pause reading too.
        transport.unregisterProducer()
        transport.registerProducer(self, True)

    def pause_reading(self) -> None:
        self._transport.pauseProducing()

    def resume_reading(self) -> None:
        self._transport.resumeProducing()

    async def writable(self) -> None:
        await self._writable.wait()

    @property
    def unread(self) -> int:
        return daphne.held_by(self._transport)

    def abort(self) -> None:
        self._transport.abortConnection()

    def close(self) -> None:
        # Twisted closes a drained connection only once no producer is registered.
        self._writable.set()
        self._transport.unregisterProducer()

    # IPushProducer

    def pauseProducing(self) -> None:  # noqa: N802
        self._writable.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._writable.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._writable.set()


def valve_for(send: Any) -> Valve:
    """The valve of an accepted websocket, by its `send`."""
    protocol = daphne.find_protocol(send)
    if protocol is not None:
        return DaphneValve(protocol.transport)
    protocol = uvicorn.find_protocol(send)
    return Valve() if protocol is None else UvicornValve(protocol.transport)
