"""What waits for an application, and how much that is. Each socket's share is bounded."""

from sys import getsizeof
from typing import Any, Protocol

#: A message between a server and an application.
ASGIMessage = dict[str, Any]

#: What an event counts beside its bytes: the objects that it is made of.
EVENT = 500
#: From this length on a text's values are counted, each of which is an object as well.
LONG = 1_000
#: What an array or an object, and a value in one, takes in memory about.
CONTAINER, VALUE = 60, 60


def weight(message: str | bytes, data: Any = None) -> int:
    """What a message of a client takes in memory once it is decoded, roughly and not less.

    A megabyte of "[[],[],[]" is twenty megabytes of lists, and seventy where it is msgpack: then
    `data` is what it was decoded to.
    """
    size = getsizeof(message)
    if size > LONG:
        if isinstance(message, str):
            containers = message.count("[") + message.count("{")
            size += CONTAINER * containers + VALUE * message.count(",")
        elif data is not None:
            size += _weight_of_values(data)
    return size


def _weight_of_values(data: Any) -> int:
    size, level = 0, [data]
    while level:
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, list):
                size += CONTAINER + VALUE * len(value)
                deeper.extend(value)
            elif isinstance(value, dict):
                size += CONTAINER + 2 * VALUE * len(value)
                deeper.extend(value.values())
        level = deeper
    return size


class Account(Protocol):
    """Whose messages wait: the client, for all its sockets."""

    waiting_bytes: int

    def release(self) -> None:
        """Some were handled."""


class Ahead(list[ASGIMessage]):
    """Messages that an application received before their turn: they wait like those of the inbox.

    They count against the same bounds: a handler that waits for its client's answer would double
    them otherwise.
    """

    # A list and not an object with a deque: there is one for each socket, and it is empty.
    __slots__ = ("_account",)

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account

    def append(self, message: ASGIMessage, /) -> None:
        super().append(message)
        self._account.waiting_bytes += message.get("size", 0)

    def popleft(self) -> ASGIMessage:
        message = self.pop(0)
        self._account.waiting_bytes -= message.get("size", 0)
        self._account.release()
        return message
