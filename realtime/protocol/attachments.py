"""Binary values beside a packet's JSON: set apart for the way out, put back on the way in. Pure.

In the text each stands as a placeholder, an object with its number, and follows as a message of its
own.
"""

from collections.abc import Callable
from typing import Any

from .packets import Fault

#: The JavaScript client's parser stops at ten binary attachments.
MAX_ATTACHMENTS = 10


def too_many(count: int, limit: int) -> str:
    """What to say of so many binary values."""
    return (
        f"{count} binary values in one event; at most {limit} are allowed"
        " (REALTIME MAX_ATTACHMENTS)"
    )


def set_apart(
    dumps: Callable[..., str | bytes], data: Any, convert: Callable[[Any], Any] | None
) -> tuple[str | bytes, list[bytes]]:
    """The JSON of `data` with placeholders, and what belongs in their places.

    `convert` turns further objects into what JSON can hold, or raises TypeError. Raises TypeError
    or ValueError for what can't be sent.
    """
    attachments: list[bytes] = []

    def place(value: Any) -> Any:
        if not isinstance(value, bytes | bytearray | memoryview):
            if convert is not None:
                return convert(value)
            raise TypeError(f"{type(value).__name__} is not JSON serializable")
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}

    return dumps(data, default=place), attachments


def check_outgoing(text: str, count: int, limit: int, loads: Callable[[str], Any]) -> None:
    """Raise ValueError if clients could not put so many attachments into their places in `text`."""
    if count > limit:
        raise ValueError(
            f"{too_many(count, limit)}: send more events, or join the values. JavaScript clients"
            f" take {MAX_ATTACHMENTS} by default"
        )
    # A look-alike in the data would be taken for an attachment, or for an illegal one.
    if text.count('"_placeholder"') != count and _placeholders(loads(text)) != count:
        raise ValueError('"_placeholder" is reserved in events that carry binary data')


def _placeholders(value: Any) -> int:
    """How many objects in a value the clients take for placeholders."""
    found, values = 0, [value]
    while values:
        value = values.pop()
        if isinstance(value, list):
            values += value
        elif isinstance(value, dict):
            found += value.get("_placeholder") is True
            values += value.values()
    return found


def put_back(data: Any, attachments: list[bytes]) -> Any:
    """`data` with its placeholders replaced. Raises Fault unless every attachment has its place."""
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
            raise Fault("a placeholder that names no attachment")
        used.add(num)
        return attachments[num]

    filled = fill(data)
    if len(used) != len(attachments):
        raise Fault("an attachment without a placeholder")
    return filled
