"""The head of a Socket.IO packet as text: everything in front of its JSON. Pure.

Type, number of attachments, namespace and ack id: `51-/chat,7` is in front of an event of `/chat`
that has one attachment. The default namespace is left out.
"""

import re

from ..exceptions import ProtocolError
from .packets import MAX_ID_DIGITS, PacketType

#: The digit of each packet type, at the index of the type.
KINDS = "0123456"
_BINARY_EVENT = int(PacketType.BINARY_EVENT)

#: Type, namespace, id and number of attachments of a packet, and where its data begins.
Head = tuple[int, str, int | None, int, int]


def write_head(kind: str, namespace: str, id: int | None) -> str:
    head = kind if namespace == "/" else f"{kind}{namespace},"
    return head if id is None else f"{head}{id}"


def read_common_head(text: str) -> tuple[int | None, int] | None:
    """The id of an event of the default namespace, and where its data begins.

    None for any other head, which is for `read_head`. Most packets are such events.
    """
    if not text.startswith("2"):
        return None
    end = text.find("[", 1, MAX_ID_DIGITS + 2)
    if end == 1:
        return None, end
    if end > 0 and (digits := text[1:end]).isascii() and digits.isdecimal():
        return int(digits), end
    return None


def read_head(text: str) -> Head:
    """Raises ProtocolError for what is not a head."""
    kind = text[:1]
    if not kind or kind not in KINDS:
        raise ProtocolError("unknown packet type")
    type, at, count = int(kind), 1, 0
    if type >= _BINARY_EVENT:
        count, at = _attachment_count(text)
        type -= 3
    namespace, at = _namespace(text, at)
    id, at = _ack_id(text, at)
    return type, namespace, id, count, at


# The attachments of an event that is refused are read and dropped, as long as there is an end.
_attachments_head = re.compile(r"[56]([0-9]{1,4})-")
# JavaScript counts ids exactly up to 2**53; MAX_ID_DIGITS hold that.
_id_digits = re.compile(r"[0-9]*")


def _attachment_count(text: str) -> tuple[int, int]:
    head = _attachments_head.match(text)
    if head is None:
        raise ProtocolError("a binary packet without the number of its attachments")
    count = int(head[1])
    if not count:
        raise ProtocolError("a binary packet without attachments")
    return count, head.end()


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
