"""Socket.IO packets: what they are, and what clients may send. Pure.

The specification is Socket.IO protocol 5. A parser turns a packet into the Engine.IO messages that
carry it (`encode`), and its decoder turns messages into packets (`feed`); there is one in text.py
and one in msgpack.py.
"""

from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from ..exceptions import ProtocolError, UnreadableData

#: Nesting of lists and objects in a packet of a client. JSON.parse has no such limit, Python has:
#: what is sent may be nested as deeply as its JSON module can write.
MAX_DEPTH = 100
TOO_DEEP = f"nested deeper than {MAX_DEPTH}"
#: JavaScript counts exactly up to 2**53; sixteen digits hold that.
MAX_ID_DIGITS = 16
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


class Fault(ValueError):
    """What is wrong with the data of a packet whose end is known all the same."""


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

    def encode_ack(self, namespace: str, id: int, args: list[Any]) -> tuple[Payload, ...]:
        """The messages of an ACK, as `encode` gives them."""

    def decoder(self, *, is_own: bool = False) -> Decoder:
        """A decoder for a new connection, or for what this site itself has encoded.

        The latter may be nested deeper than what clients send: it was sent, so it can be read.
        """

    def append(self, messages: tuple[Payload, ...], text: str) -> tuple[Payload, ...]:
        """An encoded event that wants no ack, with an ASCII text for one more, last argument."""

    def ends_in_text(self, messages: tuple[Payload, ...]) -> bool:
        """Whether the last value of an encoded event, its name included, is a text."""


def check_event_name(data: list[Any]) -> None:
    """Raise ValueError if an event that we send has a reserved name."""
    if data[0] in RESERVED_EVENTS:
        raise ValueError(f"Socket.IO reserves the event name {data[0]!r}; choose another")


def check_depth(packet: Packet) -> None:
    """Raise UnreadableData if lists and objects are nested deeper than MAX_DEPTH."""
    if is_too_deep(packet.data):
        raise UnreadableData(TOO_DEEP, packet)


def is_too_deep(value: Any) -> bool:
    """Whether lists and objects are nested deeper than MAX_DEPTH."""
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


# Plain numbers: on Python 3.11 to look a member of an enum up takes longer than to compare it.
_CONNECT, _DISCONNECT, _EVENT, _ACK = (
    int(type)
    for type in (PacketType.CONNECT, PacketType.DISCONNECT, PacketType.EVENT, PacketType.ACK)
)


def check(packet: Packet) -> None:
    """Raise ProtocolError unless a client may send `packet`, attachments still missing or not."""
    type, _, data, _ = packet
    if type == _EVENT:
        if not isinstance(data, list) or not data:
            raise ProtocolError("an event whose payload is not a non-empty array")
        name = data[0]
        if not isinstance(name, str) and not _is_number(name):
            raise ProtocolError("an event whose name is not a string")
        if name in RESERVED_EVENTS:
            raise ProtocolError(f"the reserved event name {name!r}")
    elif type == _ACK:
        # Without an id it answers nothing, which both reference servers ignore.
        if not isinstance(data, list):
            raise ProtocolError("an ack without its array")
    elif type == _CONNECT:
        if data is not None and not isinstance(data, dict):
            raise ProtocolError("a connect whose payload is not an object")
    elif type == _DISCONNECT:
        if data is not None:
            raise ProtocolError("a disconnect with a payload")
    else:
        raise ProtocolError("a connect error, which only servers send")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
