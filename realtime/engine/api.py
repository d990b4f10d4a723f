"""The public API of engineio, on connections of our own."""

from __future__ import annotations

import logging
from typing import Any

import engineio
from engineio.packet import MESSAGE, Packet

from ..protocol.frames import Frames
from .connection import Connection

logger = logging.getLogger("realtime.engine")


class EngineAPI(engineio.AsyncServer):
    """What python-socketio's server and its users call; the base of `EngineServer`."""

    #: Connections by session id.
    sockets: dict[str, Connection]

    async def send(self, sid: str, data: Any) -> None:
        """Send str, bytes, or what engineio encodes as JSON."""
        await self.send_packet(sid, Packet(MESSAGE, data=data))

    async def send_packet(self, sid: str, pkt: Packet) -> None:
        connection = self.sockets.get(sid)
        if connection is None:
            logger.warning("a packet was not sent: there is no such session")
            return
        encoded = pkt.encode()
        if pkt.packet_type != MESSAGE:
            connection.send(Frames.control(encoded))
        else:
            connection.send(Frames((encoded[1:] if isinstance(encoded, str) else encoded,)))

    async def get_session(self, sid: str) -> dict[str, Any]:
        return self._connection(sid).user_session

    async def save_session(self, sid: str, session: dict[str, Any]) -> None:
        self._connection(sid).user_session = session

    def transport(self, sid: str) -> str:
        return self._connection(sid).transport

    async def disconnect(self, sid: str | None = None) -> None:
        """Close one session, or all."""
        if sid is None:
            self.close_all("server disconnect")
        elif sid in self.sockets:
            self.sockets[sid].close("server disconnect")

    def close_all(self, reason: str) -> None:
        for connection in list(self.sockets.values()):
            connection.close(reason)

    def _connection(self, sid: str) -> Connection:
        try:
            return self.sockets[sid]
        except KeyError:
            raise KeyError("Session not found") from None
