"""Socket.IO packets as socket.io-msgpack-parser writes them: one binary message for each. Pure."""

from collections.abc import Callable
from typing import Any, TypeGuard

import msgpack

from ..exceptions import ProtocolError
from .packets import (
    MAX_ID_DIGITS,
    Message,
    Packet,
    PacketType,
    check,
    check_depth,
    check_event_name,
)


class MsgpackParser:
    """`default` turns what msgpack does not know into what it does, or raises TypeError."""

    name = "msgpack"

    def __init__(self, default: Callable[[Any], Any]) -> None:
        self._default = default

    def encode(self, packet: Packet) -> tuple[Message, ...]:
        if packet.type == PacketType.EVENT:
            check_event_name(packet.data)
        fields: dict[str, Any] = {"type": int(packet.type), "nsp": packet.namespace}
        if packet.data is not None:
            fields["data"] = packet.data
        if packet.id is not None:
            fields["id"] = packet.id
        packed: bytes = msgpack.packb(fields, default=self._default, unicode_errors="surrogatepass")
        return (packed,)

    def decoder(self) -> "MsgpackDecoder":
        return MsgpackDecoder()


def _undefined(code: int, data: bytes) -> Any:
    # notepack writes JavaScript's undefined as extension 0; other extensions mean nothing to us.
    if code == 0:
        return None
    raise ProtocolError(f"the msgpack extension type {code}")


# A JavaScript Date arrives as a datetime in UTC, not as a class of msgpack's own.
_DATETIME = 3


class MsgpackDecoder:
    """Decodes msgpack packets; they hold their binary data themselves, so there is no state."""

    __slots__ = ()

    def feed(self, message: Message) -> Packet | None:
        if isinstance(message, str):
            raise ProtocolError(
                'a text message, while REALTIME["PARSER"] is "msgpack": the client uses another'
                " parser"
            )
        try:
            fields = msgpack.unpackb(
                message, ext_hook=_undefined, timestamp=_DATETIME, unicode_errors="surrogatepass"
            )
        except ProtocolError:
            raise
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
        check_depth(packet.data)
        return packet


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
