"""Socket.IO packets: parsing what clients send, strictly, and encoding what we send. Pure.

The specification is Socket.IO protocol 5. A parser turns a packet into the Engine.IO messages that
carry it (`encode`), and its decoder turns messages into packets (`feed`).
"""

import re
from collections.abc import Callable
from enum import IntEnum
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from ..exceptions import ProtocolError, UnreadableData

#: The JavaScript client's parser stops at ten binary attachments.
MAX_ATTACHMENTS = 10
#: Nesting of lists and objects in one packet, either way. JSON.parse has no such limit, Python has.
MAX_DEPTH = 100
#: Names that the protocol's libraries use themselves; never an event of an application.
RESERVED_EVENTS = frozenset(
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
)

Payload = str | bytes


class PacketType(IntEnum):
    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


class Packet(NamedTuple):
    """One Socket.IO packet. Binary data stands in `data` as bytes; `type` is then EVENT or ACK."""

    type: int
    namespace: str = "/"
    data: Any = None
    id: int | None = None


class Decoder(Protocol):
    """Turns the messages of one connection into packets."""

    def feed(self, message: Payload) -> Packet | None:
        """The packet that `message` completes, or None.

        Raises UnreadableData where the packet is complete but for its data, and what follows can
        be read; else ProtocolError, after which nothing can.
        """


class Parser(Protocol):
    """The encoding of packets; Socket.IO's `parser` option."""

    name: str

    def encode(self, packet: Packet) -> tuple[Payload, ...]:
        """The messages of a packet. Raises TypeError or ValueError for what can't be sent."""

    def decoder(self) -> Decoder:
        """A decoder for a new connection."""


def check_event_name(data: list[Any]) -> None:
    """Raise ValueError if an event that we send has a reserved name."""
    if data[0] in RESERVED_EVENTS:
        raise ValueError(f"Socket.IO reserves the event name {data[0]!r}; choose another")


# A lone surrogate is legal in a JavaScript string and in JSON text, as an escape, but not in UTF-8.
_surrogate = re.compile("[\ud800-\udfff]")


def _escape_surrogates(text: str) -> str:
    return _surrogate.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class JSONParser:
    """The default parser: JSON text, then each binary value as an attachment of its own."""

    name = "json"

    def __init__(
        self,
        json: ModuleType,
        max_attachments: int = MAX_ATTACHMENTS,
        convert: Callable[[Any], Any] | None = None,
    ) -> None:
        """`convert` turns further objects into what JSON can hold, or raises TypeError."""
        self._convert = convert
        self._max_attachments = max_attachments
        self._dumps: Callable[..., str | bytes] = json.dumps
        self._loads: Callable[[str], Any] = json.loads

    def encode(self, packet: Packet) -> tuple[Payload, ...]:
        type, namespace, data, id = packet
        attachments: list[bytes] = []
        text = ""
        if data is not None:
            if type == PacketType.EVENT:
                check_event_name(data)
            text = self._dump(data, attachments)
        kind = str(int(type))
        if attachments:
            if type not in (PacketType.EVENT, PacketType.ACK):
                raise TypeError("only events and acks can carry binary data")
            kind = f"{type + 3}{len(attachments)}-"
        head = kind if namespace == "/" else f"{kind}{namespace},"
        if id is not None:
            head += str(id)
        return (head + text, *attachments)

    def decoder(self) -> "JSONDecoder":
        return JSONDecoder(self._loads, self._max_attachments)

    def _dump(self, data: Any, attachments: list[bytes]) -> str:
        def place(value: Any) -> Any:
            if not isinstance(value, bytes | bytearray | memoryview):
                if self._convert is not None:
                    return self._convert(value)
                raise TypeError(f"{type(value).__name__} is not JSON serializable")
            attachments.append(bytes(value))
            return {"_placeholder": True, "num": len(attachments) - 1}

        try:
            dumped = self._dumps(data)
        except TypeError:  # binary data or instances, most likely, which a second pass converts
            dumped = self._dumps(data, default=place)
        text = dumped if isinstance(dumped, str) else dumped.decode()
        if attachments:
            if len(attachments) > self._max_attachments:
                raise ValueError(
                    f"{_too_many(len(attachments), self._max_attachments)}: send more events, or"
                    f" join the values. JavaScript clients take {MAX_ATTACHMENTS} by default"
                )
            # A look-alike in the data would be taken for an attachment, or for an illegal one.
            expected = len(attachments)
            if text.count('"_placeholder"') != expected and self._placeholders(text) != expected:
                raise ValueError('"_placeholder" is reserved in events that carry binary data')
        if not text.isascii() and _surrogate.search(text):
            text = _escape_surrogates(text)
        return text

    def _placeholders(self, text: str) -> int:
        """How many objects in a JSON text the clients take for placeholders."""
        found, values = 0, [self._loads(text)]
        while values:
            value = values.pop()
            if isinstance(value, list):
                values += value
            elif isinstance(value, dict):
                found += value.get("_placeholder") is True
                values += value.values()
        return found


class _Fault(ValueError):
    """What is wrong with the data of a packet whose end is known all the same."""


class JSONDecoder:
    """Decodes one connection's messages. Anything that is not the protocol raises ProtocolError."""

    __slots__ = ("_attachments", "_fault", "_loads", "_max_attachments", "_missing", "_packet")

    def __init__(self, loads: Callable[[str], Any], max_attachments: int) -> None:
        self._loads = loads
        self._max_attachments = max_attachments
        # What is wrong with the packet in hand: its attachments are dropped as they come.
        self._fault: str | None = None
        self._packet: Packet | None = None
        self._missing = 0
        self._attachments: list[bytes] = []

    def feed(self, message: Payload) -> Packet | None:
        if isinstance(message, str):
            if self._packet is not None:
                raise ProtocolError("text where a binary attachment was due")
            return self._parse(message)
        if self._packet is None:
            raise ProtocolError("a binary message that no packet announced")
        if self._fault is None:
            self._attachments.append(message)
        self._missing -= 1
        return None if self._missing else self._complete(self._packet)

    def _complete(self, packet: Packet) -> Packet:
        attachments, fault = self._attachments, self._fault
        self._packet, self._attachments, self._fault = None, [], None
        if fault is None:
            try:
                return packet._replace(data=_reconstruct(packet.data, attachments))
            except _Fault as error:
                fault = str(error)
        raise UnreadableData(fault, packet)

    def _parse(self, text: str) -> Packet | None:
        # Most packets are events of the default namespace; their head is one character.
        kind = text[:1]
        if kind not in ("0", "1", "2", "3", "4", "5", "6"):
            raise ProtocolError("unknown packet type")
        type = int(kind)
        at = 1
        count = 0
        if type >= PacketType.BINARY_EVENT:
            count, at = _attachment_count(text)
            type -= 3
        namespace, at = _namespace(text, at)
        id, at = _ack_id(text, at)
        fault = data = None
        try:
            data = self._payload(text, at)
        except _Fault as error:
            fault = str(error)
        packet = Packet(type, namespace, data, id)
        if fault is None:
            check(packet)
        elif type in (PacketType.DISCONNECT, PacketType.CONNECT_ERROR):
            raise ProtocolError("a packet whose type has no payload")
        if not count:
            if fault is not None:
                raise UnreadableData(fault, packet)
            return packet
        if fault is None and count > self._max_attachments:
            fault = _too_many(count, self._max_attachments)
        self._packet, self._missing, self._fault = packet, count, fault
        return None

    def _payload(self, text: str, at: int) -> Any:
        if at == len(text):
            return None
        try:
            value = self._loads(text[at:])
        except (ValueError, RecursionError) as error:
            if text[at] not in "[{":  # the head, then, is not what it was taken for
                raise ProtocolError("payload is not JSON") from error
            reason = _TOO_DEEP if isinstance(error, RecursionError) else str(error)[:100]
            raise _Fault(f"its data is not JSON ({reason})") from error
        if text.count("[", at) + text.count("{", at) > MAX_DEPTH and _is_too_deep(value):
            raise _Fault(_TOO_DEEP)
        return value


# The attachments of an event that is refused are read and dropped, as long as there is an end.
_attachments_head = re.compile(r"[56]([0-9]{1,4})-")
# JavaScript counts ids exactly up to 2**53; sixteen digits hold that.
_id_digits = re.compile(r"[0-9]*")
MAX_ID_DIGITS = 16


def _attachment_count(text: str) -> tuple[int, int]:
    head = _attachments_head.match(text)
    if head is None:
        raise ProtocolError("a binary packet without the number of its attachments")
    count = int(head[1])
    if not count:
        raise ProtocolError("a binary packet without attachments")
    return count, head.end()


def _too_many(count: int, limit: int) -> str:
    return (
        f"{count} binary values in one event; at most {limit} are allowed"
        " (REALTIME MAX_ATTACHMENTS)"
    )


def _namespace(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != "/":
        return "/", at
    end = text.find(",", at)
    if end < 0:
        end = len(text)
    return text[at:end].partition("?")[0], end + 1 if end < len(text) else end


def _ack_id(text: str, at: int) -> tuple[int | None, int]:
    if not "0" <= text[at : at + 1] <= "9":
        return None, at
    digits = _id_digits.match(text, at)
    assert digits is not None  # it matches at least the empty string
    if len(digits[0]) > MAX_ID_DIGITS:
        raise ProtocolError("an ack id of too many digits")
    return int(digits[0]), digits.end()


_TOO_DEEP = f"nested deeper than {MAX_DEPTH}"


def check_depth(packet: Packet) -> None:
    """Raise UnreadableData if lists and objects are nested deeper than MAX_DEPTH."""
    if _is_too_deep(packet.data):
        raise UnreadableData(_TOO_DEEP, packet)


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, list):
                deeper.extend(item)
            elif isinstance(item, dict):
                deeper.extend(item.values())
        if not deeper:
            return False
        level = deeper
    return True


def check(packet: Packet) -> None:
    """Raise ProtocolError unless a client may send `packet`, attachments still missing or not."""
    type, _, data, _ = packet
    if type == PacketType.EVENT:
        if not isinstance(data, list) or not data:
            raise ProtocolError("an event whose payload is not a non-empty array")
        name = data[0]
        if not isinstance(name, str | int | float) or isinstance(name, bool):
            raise ProtocolError("an event whose name is not a string")
        if name in RESERVED_EVENTS:
            raise ProtocolError(f"the reserved event name {name!r}")
    elif type == PacketType.ACK:
        # Without an id it answers nothing, which both reference servers ignore.
        if not isinstance(data, list):
            raise ProtocolError("an ack without its array")
    elif type == PacketType.CONNECT:
        if data is not None and not isinstance(data, dict):
            raise ProtocolError("a connect whose payload is not an object")
    elif type == PacketType.DISCONNECT:
        if data is not None:
            raise ProtocolError("a disconnect with a payload")
    else:
        raise ProtocolError("a connect error, which only servers send")


def _reconstruct(data: Any, attachments: list[bytes]) -> Any:
    """`data` with its placeholders replaced; every attachment must have its place."""
    used: set[int] = set()

    def fill(value: Any) -> Any:
        if isinstance(value, list):
            return [fill(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("_placeholder") is not True:
            return {key: fill(item) for key, item in value.items()}
        num = value.get("num")
        if not isinstance(num, int) or isinstance(num, bool) or not 0 <= num < len(attachments):
            raise _Fault("a placeholder that names no attachment")
        used.add(num)
        return attachments[num]

    filled = fill(data)
    if len(used) != len(attachments):
        raise _Fault("an attachment without a placeholder")
    return filled
