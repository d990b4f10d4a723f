"""Socket.IO packets as socket.io-msgpack-parser writes them: one binary message for each. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

import msgpack

from ..exceptions import ProtocolError, UnreadableData
from .notepack import ARRAY_BUFFER, NOTEPACK, told_apart
from .packets import (
    MAX_ID_DIGITS,
    Packet,
    PacketType,
    Payload,
    check,
    check_depth,
    check_event_name,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class MsgpackParser:
    """`default` turns what msgpack does not know into what it does, or raises TypeError."""

    name = "msgpack"

    def __init__(self, default: Callable[[Any], Any]) -> None:
        self._default = default

    def encode(self, packet: Packet) -> tuple[Payload, ...]:
        if packet.type == PacketType.EVENT:
            check_event_name(packet.data)
        fields: dict[str, Any] = {"type": int(packet.type), "nsp": packet.namespace}
        if packet.data is not None:
            fields["data"] = packet.data
        if packet.id is not None:
            fields["id"] = packet.id
        packed: bytes = msgpack.packb(fields, default=self._convert, unicode_errors="surrogatepass")
        return (packed,)

    def encode_ack(self, namespace: str, id: int, args: list[Any]) -> tuple[Payload, ...]:
        return self.encode(Packet(PacketType.ACK, namespace, args, id))

    def decoder(self, *, is_own: bool = False) -> "MsgpackDecoder":
        return MsgpackDecoder(is_own)

    def append(self, messages: tuple[Payload, ...], text: str) -> tuple[Payload, ...]:
        (packed,) = messages
        assert isinstance(packed, bytes)
        at, size, count = _data_of(packed)
        head: bytes = msgpack.Packer().pack_array_header(count + 1)
        return (b"".join((packed[:at], head, packed[at + size :], msgpack.packb(text))),)

    def ends_in_text(self, messages: tuple[Payload, ...]) -> bool:
        (packed,) = messages
        fields = msgpack.unpackb(packed, ext_hook=lambda code, data: None, strict_map_key=False)
        return isinstance(fields["data"][-1], str)

    def _convert(self, value: Any) -> Any:
        # A moment is a Date on the other side, as between two JavaScript ends. Naive datetimes name
        # no moment: they are text, as dates and times are.
        if isinstance(value, datetime) and value.utcoffset() is not None:
            milliseconds = (value - _EPOCH) // _MILLISECOND
            return msgpack.ExtType(NOTEPACK, milliseconds.to_bytes(8, "big", signed=True))
        return self._default(value)


def _data_of(packed: bytes) -> tuple[int, int, int]:
    """Where the array of an encoded event begins, how long its head is, and how many values."""
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=len(packed))
    unpacker.feed(packed)
    for _ in range(unpacker.read_map_header()):
        if unpacker.unpack() == "data":  # the last of our fields, for there is no id
            at = unpacker.tell()
            count = unpacker.read_array_header()
            return at, unpacker.tell() - at, count
        unpacker.skip()
    raise ValueError("not an event")


# A JavaScript Date arrives as a datetime in UTC, not as a class of msgpack's own.
_DATETIME = 3


class MsgpackDecoder:
    """Decodes msgpack packets; they hold their binary data themselves."""

    __slots__ = ("_fault", "_is_own")

    def __init__(self, is_own: bool = False) -> None:
        self._is_own = is_own
        # What is wrong with the data of the message in hand.
        self._fault: str | None = None

    def feed(self, message: Payload) -> Packet | None:
        if isinstance(message, str):
            raise ProtocolError(
                'a text message, while REALTIME["PARSER"] is "msgpack": the client uses another'
                " parser"
            )
        self._fault = None
        try:
            fields = msgpack.unpackb(
                told_apart(message),
                ext_hook=self._extension,
                timestamp=_DATETIME,
                unicode_errors="surrogatepass",
            )
        except Exception as error:  # msgpack raises its own errors, ValueError and TypeError
            raise ProtocolError("not msgpack") from error
        if not isinstance(fields, dict):
            raise ProtocolError("a packet that is not a map")
        type, namespace, id = fields.get("type"), fields.get("nsp", "/"), fields.get("id")
        if not _is_int(type) or not isinstance(namespace, str) or not namespace.startswith("/"):
            raise ProtocolError("a packet without its type or namespace")
        if id is not None and not (_is_int(id) and 0 <= id < 10**MAX_ID_DIGITS):
            raise ProtocolError("an ack id that is not a number")
        packet = Packet(type, namespace.partition("?")[0], fields.get("data"), id)
        check(packet)
        if self._fault is not None:
            raise _lost(packet, self._fault)
        if not self._is_own:
            check_depth(packet)
        return packet

    def _extension(self, code: int, data: bytes) -> Any:
        if code == ARRAY_BUFFER:
            return data
        if code != NOTEPACK:
            self._fault = f"the msgpack extension type {code}"
        elif len(data) == 8:
            return self._moment(int.from_bytes(data, "big", signed=True))
        elif data != b"\0":  # which is JavaScript's undefined
            return data
        return None

    def _moment(self, milliseconds: int) -> datetime | None:
        try:
            return _EPOCH + milliseconds * _MILLISECOND
        except OverflowError:
            self._fault = "a date before the year 1 or after 9999"
            return None


def _lost(packet: Packet, fault: str) -> Exception:
    """What a fault in the message costs: the packet, or the connection."""
    if packet.type == PacketType.DISCONNECT:  # in a field that means nothing: it has no data
        return ProtocolError("a packet whose type has no payload")
    return UnreadableData(fault, packet)


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
