"""A client's end of a connection that has no network: what is sent is there at once, and kept."""

import asyncio
from collections.abc import Callable
from typing import Any

from ..conf import settings
from ..engine.connection import Connection
from ..engine.wire import Wire
from ..node import emissions
from ..protocol.frames import MESSAGE, PING_FRAMES, PONG, Frames
from ..protocol.packets import Packet, PacketType


class MemoryWire(Wire):
    """Hands each packet, decoded from its messages, to `heard`; calls `over` at the end."""

    __slots__ = ("_decoder", "_heard", "_loop", "_over")
    name = "websocket"

    def __init__(
        self, connection: Connection, heard: Callable[[Packet], None], over: Callable[[], None]
    ) -> None:
        super().__init__(connection)
        self._decoder = emissions.parser().decoder(is_own=True)
        self._heard = heard
        self._over = over
        self._loop = asyncio.get_running_loop()

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        if frames is PING_FRAMES:
            self._loop.call_soon(self.connection.receive, PONG, "")
        for message in frames.messages:
            packet = _refusal(message) or self._decoder.feed(message)
            if packet is not None:
                self._heard(packet)
        return True

    def close(self, discard: bool) -> None:
        self._over()

    def gone(self) -> None:
        """Nothing is queued here."""


def _refusal(message: str | bytes) -> Packet | None:
    """The packet of a message that refuses a client: no server's decoder takes one."""
    error = int(PacketType.CONNECT_ERROR)
    if isinstance(message, str):
        if not message.startswith(str(error)):
            return None
        accepted = emissions.parser().decoder().feed(f"{int(PacketType.CONNECT)}{message[1:]}")
        return accepted and accepted._replace(type=error)
    if settings.PARSER != "msgpack":  # an attachment
        return None
    import msgpack  # an extra

    fields = msgpack.unpackb(message, strict_map_key=False)
    if fields["type"] != error:
        return None
    return Packet(error, fields["nsp"], fields.get("data"))


def send(connection: Connection, packet: Packet) -> None:
    """Let a client send a packet. Raises TypeError or ValueError for what can't be sent."""
    for message in emissions.parser().encode(packet):
        connection.receive(MESSAGE, message)


def scope_of(headers: list[tuple[bytes, bytes]], query: str, path: str) -> dict[str, Any]:
    """The opening request of a client."""
    return {
        "type": "websocket",
        "path": path,
        "root_path": "",
        "scheme": "ws",
        "headers": headers,
        "query_string": query.encode(),
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "subprotocols": [],
    }
