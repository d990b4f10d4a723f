"""Socket.IO packets as text, which is the default parser: JSON, and binary values behind it. Pure.

An event of the default namespace is what most packets are, and what both directions are quick at.
"""

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..exceptions import ProtocolError, UnreadableData
from .attachments import MAX_ATTACHMENTS, check_outgoing, put_back, set_apart, too_many
from .heads import KINDS, read_common_head, read_head, write_head
from .packets import (
    MAX_DEPTH,
    RESERVED_EVENTS,
    TOO_DEEP,
    Fault,
    Packet,
    PacketType,
    Payload,
    check,
    check_event_name,
    is_too_deep,
)

#: A text of so many characters nests nothing too deep: what was opened was closed as well.
SHORT = 2 * MAX_DEPTH
# What a NamedTuple's own constructor does as well, in half the time.
_new = tuple.__new__
_EVENT, _ACK = int(PacketType.EVENT), int(PacketType.ACK)

# A lone surrogate is legal in a JavaScript string and in JSON text, as an escape, but not in UTF-8.
_surrogate = re.compile("[\ud800-\udfff]")


def _escape_surrogates(text: str) -> str:
    return _surrogate.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


#: The value that begins at a place in a text, and where it ends.
Scan = Callable[[str, int], tuple[Any, int]]


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
        # What realtime.json has, and other modules need not.
        self._scan: Scan = getattr(json, "scan", self._copied)

    def _copied(self, text: str, at: int) -> tuple[Any, int]:
        return self._loads(text[at:]), len(text)

    def encode(self, packet: Packet) -> tuple[Payload, ...]:
        data = packet.data
        text: str | bytes = ""
        if data is not None:
            if packet.type == _EVENT:
                check_event_name(data)
            try:
                text = self._dumps(data)
            except TypeError:  # binary data or instances, most likely
                return self._encode_rest(packet)
        return (write_head(KINDS[packet.type], packet.namespace, packet.id) + _sendable(text),)

    def encode_ack(self, namespace: str, id: int, args: list[Any]) -> tuple[Payload, ...]:
        try:
            text = self._dumps(args)
        except TypeError:
            return self._encode_rest(Packet(_ACK, namespace, args, id))
        head = f"3{id}" if namespace == "/" else f"3{namespace},{id}"
        return (head + _sendable(text),)

    def decoder(self, *, is_own: bool = False) -> "JSONDecoder":
        return JSONDecoder(self._loads, self._scan, self._max_attachments, is_own)

    def append(self, messages: tuple[Payload, ...], text: str) -> tuple[Payload, ...]:
        head = messages[0]
        assert isinstance(head, str)  # binary data comes behind it
        return (f'{head.rstrip()[:-1]},"{text}"]', *messages[1:])

    def ends_in_text(self, messages: tuple[Payload, ...]) -> bool:
        head = messages[0]
        assert isinstance(head, str)
        return head.rstrip()[:-1].rstrip().endswith('"')

    def _encode_rest(self, packet: Packet) -> tuple[Payload, ...]:
        """What JSON can't hold by itself: a second pass converts it, or sets it apart."""
        type, namespace, data, id = packet
        dumped, attachments = set_apart(self._dumps, data, self._convert)
        text = _sendable(dumped)
        kind = KINDS[type]
        if attachments:
            if type not in (PacketType.EVENT, PacketType.ACK):
                raise TypeError("only events and acks can carry binary data")
            check_outgoing(text, len(attachments), self._max_attachments, self._loads)
            kind = f"{type + 3}{len(attachments)}-"
        return (write_head(kind, namespace, id) + text, *attachments)


def _sendable(dumped: str | bytes) -> str:
    text = dumped.decode() if isinstance(dumped, bytes) else dumped
    if text.isascii() or not _surrogate.search(text):
        return text
    return _escape_surrogates(text)


class JSONDecoder:
    """Decodes one connection's messages. Anything that is not the protocol raises ProtocolError."""

    __slots__ = (
        "_attachments",
        "_fault",
        "_is_own",
        "_loads",
        "_max_attachments",
        "_missing",
        "_packet",
        "_scan",
    )

    def __init__(
        self,
        loads: Callable[[str], Any],
        scan: Scan,
        max_attachments: int,
        is_own: bool = False,
    ) -> None:
        self._loads = loads
        self._scan = scan
        self._is_own = is_own
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
            head = read_common_head(message)
            return self._parse(message) if head is None else self._event(message, *head)
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
                return packet._replace(data=put_back(packet.data, attachments))
            except Fault as error:
                fault = str(error)
        raise UnreadableData(fault, packet)

    def _event(self, text: str, id: int | None, at: int) -> Packet:
        """An event of the default namespace, whose array begins at `at`."""
        data, end = None, -1
        if len(text) < SHORT:
            try:  # `suppress` takes longer than to decode
                data, end = self._scan(text, at)
            except (ValueError, StopIteration):
                end = -1  # the long way says what is wrong
        if end != len(text):
            data = self._whole(text, id, at)
        packet = _new(Packet, (_EVENT, "/", data, id))
        if not data or type(data[0]) is not str or data[0] in RESERVED_EVENTS:
            check(packet)
        return packet

    def _whole(self, text: str, id: int | None, at: int) -> Any:
        try:
            return self._payload(text, at)
        except Fault as fault:
            raise UnreadableData(str(fault), Packet(_EVENT, "/", None, id)) from None

    def _parse(self, text: str) -> Packet | None:
        type, namespace, id, count, at = read_head(text)
        fault = data = None
        try:
            data = self._payload(text, at)
        except Fault as error:
            fault = str(error)
        packet = _new(Packet, (type, namespace, data, id))
        if fault is None:
            check(packet)
        elif type in (PacketType.DISCONNECT, PacketType.CONNECT_ERROR):
            raise ProtocolError("a packet whose type has no payload")
        if not count:
            if fault is not None:
                raise UnreadableData(fault, packet)
            return packet
        if fault is None and count > self._max_attachments:
            fault = too_many(count, self._max_attachments)
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
            reason = TOO_DEEP if isinstance(error, RecursionError) else str(error)[:100]
            raise Fault(f"its data is not JSON ({reason})") from error
        if (
            len(text) - at > SHORT
            and not self._is_own
            and text.count("[", at) + text.count("{", at) > MAX_DEPTH
            and is_too_deep(value)
        ):
            raise Fault(TOO_DEEP)
        return value
