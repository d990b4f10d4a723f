"""The common frame of a websocket, read without the web server's own parser.

Nearly all that clients send is final, masked, uncompressed text, complete in what was read at
once. websockets' and wsproto's parsers take a fifth of uvicorn's time for an event with an ack,
Autobahn's half of Daphne's. Here such frames are taken off the bytes that the server's protocol is
given. All else goes to its parser, from the frame's first byte on, and so does whatever follows
until that parser is between two messages again: its rules, its limits and what it answers stay.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Self

from ...protocol.frames import MESSAGE
from ..connection import Connection
from .asgi import Take
from .direct import Inlet


def xor(data: bytes, mask: bytes) -> bytes:
    """The data with the mask taken off, or put on."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(data, "little") ^ int.from_bytes(key, "little")
    return masked.to_bytes(size, "little")


unmask: Callable[[bytes, bytes], bytes] = xor
with contextlib.suppress(ImportError):
    # A third of the time. Not public; tests/conformance/test_engine_guards.py watches it.
    from websockets.speedups import apply_mask as unmask

#: The first byte: final, no bit of an extension, opcode 1.
_TEXT = 0x81


def text_frame(data: bytes, start: int, limit: int) -> tuple[str, int] | None:
    """The text of the common frame that begins at `start`, and where the frame ends.

    None for a frame of another kind, an incomplete one, one with a length of eight bytes or of
    more than `limit`, and one that is against the rules: with its length not in the shortest form,
    or not UTF-8. RFC 6455, section 5.2.
    """
    end = len(data)
    if end < start + 6 or data[start] != _TEXT:
        return None
    payload = start + 6
    size = data[start + 1] - 0x80  # negative without a mask
    if size > 125:
        if size > 126 or end < payload + 2:
            return None
        payload += 2
        size = data[start + 2] << 8 | data[start + 3]
        if size < 126:
            return None
    elif size < 0:
        return None
    stop = payload + size
    if stop > end or size > limit:
        return None
    try:
        return unmask(data[payload:stop], data[payload - 4 : payload]).decode(), stop
    except UnicodeDecodeError:
        return None


class FrameReader:
    """Stands before the protocol object of one websocket."""

    __slots__ = ("_connection", "_in_parser", "_inlet", "_limit", "_protocol", "_take")

    def __init__(
        self, connection: Connection, protocol: Any, inlet: Inlet, take: Take, limit: int
    ) -> None:
        self._connection = connection
        self._protocol = protocol
        self._inlet = inlet
        self._take = take
        self._limit = limit
        # Whether the server's parser may hold the beginning of a frame or of a message.
        self._in_parser = True

    @classmethod
    def find(
        cls, connection: Connection, protocol: Any, inlet: Inlet, take: Take, limit: int
    ) -> Self | None:
        """A reader for the protocol; None where that is not as it is known to be, or is watched."""
        reader = cls(connection, protocol, inlet, take, limit)
        try:
            reader.is_open()
            reader.is_between_messages()
            return None if reader.is_watched() else reader
        except AttributeError:
            return None

    def feed(self, data: bytes) -> bool:
        """What was read while the server would take a message; whether one was taken here."""
        if self._in_parser:
            if not self.is_between_messages():
                self.hand_on(data)
                return False
            self._in_parser = False
        connection, inlet = self._connection, self._inlet
        at = 0
        while inlet.direct and not (connection.paused or connection.closed):
            frame = text_frame(data, at, self._limit)
            if frame is None:
                break
            text, at = frame
            if text.startswith(MESSAGE):
                connection.receive_message(text[1:])
            else:
                self._take(connection, text)
            if at == len(data):
                return True
        self._in_parser = True
        self.hand_on(data[at:])
        return at > 0

    def hand_on(self, data: bytes) -> None:
        """Give the bytes to the server's parser, and mind what it writes: an answer to each ping,
        whether the client reads them or not.
        """
        wire = self._connection.wire
        before = wire.buffered_bytes
        self.pass_on(data)
        after = wire.buffered_bytes
        if after > before and after > self._connection.sessions.limits.outbox_bytes:
            self._inlet.unread(after)

    def pass_on(self, data: bytes) -> None:
        """Give the bytes to the server's parser."""
        raise NotImplementedError

    def is_open(self) -> bool:
        """Whether the server would pass a message on to its application, and do nothing else."""
        raise NotImplementedError

    def is_between_messages(self) -> bool:
        """Whether the server's parser holds nothing, and what comes next begins a message."""
        raise NotImplementedError

    def is_watched(self) -> bool:
        """Whether the server tells somebody of each frame: then its parser has to see them all."""
        raise NotImplementedError
