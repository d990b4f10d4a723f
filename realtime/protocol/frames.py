"""Engine.IO 4 packets and what carries them on each wire. Pure: nothing here awaits.

A packet is one character of type and its data; a binary message is a packet of its own kind.
Specification: engine.io-protocol, revision 4; the websocket framing is RFC 6455, section 5.2.
"""

from __future__ import annotations

import binascii
import struct
from base64 import b64encode
from collections.abc import Hashable
from typing import Any

from ..exceptions import ProtocolError

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = "0123456"
SEPARATOR = b"\x1e"

#: Most packets that one polling body may hold. The stock client sends all it has in one body, so
#: the number is high: it only keeps a body of 300,000 noops from holding the event loop.
PAYLOAD_PACKETS = 10_000

#: Above this size a polling piece is built again for each poll rather than kept with the frames:
#: frames wait in the outboxes of slow pollers, and would hold every such message twice.
KEPT_PIECE = 65_536

_TYPES = frozenset("0123456")


def decode_packet(packet: str | bytes) -> tuple[str, str | bytes]:
    """The type and the data of one packet. Raises `ProtocolError` if it is none."""
    if isinstance(packet, bytes):
        return MESSAGE, packet
    kind = packet[:1]
    if kind in _TYPES:
        return kind, packet[1:]
    if kind == "b":
        return MESSAGE, _decode_base64(packet[1:])
    raise ProtocolError(f"not an Engine.IO packet: {packet[:40]!r}")


def decode_payload(body: bytes) -> list[tuple[str, str | bytes]]:
    """The packets of a polling body. Raises `ProtocolError` if one of them is none."""
    if body.count(SEPARATOR) >= PAYLOAD_PACKETS:
        raise ProtocolError(f"more than {PAYLOAD_PACKETS} packets in one payload")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"the payload is not UTF-8 ({error.reason})") from None
    return [decode_packet(packet) for packet in text.split("\x1e")]


def _decode_base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError as error:
        raise ProtocolError(f"a binary packet is not base64 ({error})") from None


def fits(frame: str | bytes, limit: int) -> bool:
    """Whether a websocket message has at most `limit` bytes on the wire."""
    if isinstance(frame, bytes) or frame.isascii():
        return len(frame) <= limit
    # A character takes one to four bytes: only what lies between has to be encoded to be counted.
    return len(frame) * 4 <= limit or (len(frame) <= limit and len(frame.encode()) <= limit)


def websocket_frame(packet: str | bytes) -> bytes:
    """One unmasked, uncompressed, final frame, as servers send it.

    RSV1 is 0, so it is legal also where permessage-deflate was negotiated (RFC 7692, section 6).
    """
    return text_frame(packet) if isinstance(packet, str) else _frame(0x82, packet)


def text_frame(text: str) -> bytes:
    """The frame of a text, see `websocket_frame`."""
    data = text.encode()
    length = len(data)
    return _SHORT_HEADS[length] + data if length < 126 else _frame(0x81, data)


def _frame(opcode: int, data: bytes) -> bytes:
    length = len(data)
    if length < 126:
        return bytes((opcode, length)) + data
    if length < 65_536:
        return struct.pack("!BBH", opcode, 126, length) + data
    return struct.pack("!BBQ", opcode, 127, length) + data


# Of texts, by length: to look one up takes less than to make it.
_SHORT_HEADS = [bytes((0x81, length)) for length in range(126)]


def polling_piece(packet: str | bytes) -> bytes:
    """One packet as it stands in a polling body."""
    return packet.encode() if isinstance(packet, str) else b"b" + b64encode(packet)


class Frames:
    """One Socket.IO packet as its Engine.IO messages, framed at most once for each kind of wire.

    Many connections share one object, so it never changes but for what it remembers.
    """

    # websocket: RFC 6455 frames of all packets, None until a writer first asks for them.
    __slots__ = ("_events", "_piece", "_size", "messages", "packets", "supersedes", "websocket")

    def __init__(self, messages: tuple[str | bytes, ...]) -> None:
        #: The messages without Engine.IO's type.
        self.messages = messages
        #: Frames that wait and have the same here are out of date; None where none are.
        self.supersedes: Hashable | None = None
        # Most have no attachments.
        only = messages[0] if len(messages) == 1 else None
        if isinstance(only, str):
            self._set((MESSAGE + only,))
        else:
            self._set(tuple(map(_message_packet, messages)))

    @classmethod
    def control(cls, packet: str) -> Frames:
        """Frames of one packet that is no message: a ping, a noop, the handshake."""
        frames = cls.__new__(cls)
        frames.messages = ()
        frames.supersedes = None
        frames._set((packet,))
        return frames

    def _set(self, packets: tuple[str | bytes, ...]) -> None:
        self.packets = packets
        self.websocket: bytes | None = None
        self._piece: bytes | None = None
        self._events: tuple[dict[str, Any], ...] | None = None
        self._size = -1

    @property
    def size(self) -> int:
        """Bytes of the packets, without framing."""
        if self._size < 0:
            self._size = sum(map(_length, self.packets))
        return self._size

    def as_text(self) -> Frames:
        """The same without binary packets; theirs are base64, as they stand in a polling body."""
        if not any(isinstance(packet, bytes) for packet in self.packets):
            return self
        frames = Frames.__new__(Frames)
        frames.messages = self.messages
        frames.supersedes = self.supersedes
        frames._set(
            tuple(
                polling_piece(packet).decode() if isinstance(packet, bytes) else packet
                for packet in self.packets
            )
        )
        return frames

    def frame(self) -> bytes:
        """All packets as RFC 6455 frames; writers look at `websocket` first."""
        if self.websocket is None:
            packets = self.packets
            if len(packets) == 1:
                self.websocket = websocket_frame(packets[0])
            else:
                self.websocket = b"".join(map(websocket_frame, packets))
        return self.websocket

    @property
    def piece(self) -> bytes:
        """All packets as they stand in a polling body, joined."""
        if self._piece is not None:
            return self._piece
        piece = SEPARATOR.join(map(polling_piece, self.packets))
        if len(piece) <= KEPT_PIECE:
            self._piece = piece
        return piece

    @property
    def events(self) -> tuple[dict[str, Any], ...]:
        """All packets as ASGI `websocket.send` messages."""
        if self._events is None:
            self._events = tuple(map(_event, self.packets))
        return self._events


def _message_packet(message: str | bytes) -> str | bytes:
    if isinstance(message, str):
        return MESSAGE + message
    # Daphne drops an empty binary frame, and the client then takes the next packet for the missing
    # attachment. As base64 text the empty message arrives on every server.
    return message or "b"


def _event(packet: str | bytes) -> dict[str, Any]:
    kind = "text" if isinstance(packet, str) else "bytes"
    return {"type": "websocket.send", kind: packet}


def _length(packet: str | bytes) -> int:
    if isinstance(packet, bytes) or packet.isascii():
        return len(packet)
    return len(packet.encode())


PING_FRAMES = Frames.control(PING)
PROBE_ANSWER = Frames.control(PONG + "probe")
