"""The events of a room, for a person to read: limited in size and in rate."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from ...engine.limits import TokenBucket
from ...exceptions import ProtocolError
from ...node import emissions
from ...node.emissions import Emission
from ...node.members import Members

#: Events a second that are shown, twice as many at once; the others are counted.
RATE = 25
#: Bytes of an event that are decoded to be shown; of a larger one only the size is shown.
MAX_DECODED = 64_000
#: Characters of the text of an event's arguments.
MAX_TEXT = 2_000
#: Of one value in it: characters of a string, items of a list or an object, levels of nesting.
MAX_STRING = 200
MAX_ITEMS = 20
MAX_LEVELS = 6

Line = dict[str, Any]


class Feed:
    """Listens here to the emits to one room, and to those to its whole namespace.

    They are gathered; `ready` is called at the first line of a batch, and `take` hands the batch
    over.
    """

    def __init__(
        self, local: Members, namespace: str, room: str, ready: Callable[[], None]
    ) -> None:
        self.namespace = namespace
        self.room = room
        self._local = local
        self._ready = ready
        self._bucket = TokenBucket(RATE, time.monotonic())
        self._lines: list[Line] = []
        self._skipped = 0

    @property
    def groups(self) -> list[tuple[str, str | None]]:
        """The groups of the layer that this process has to be in, to hear of all processes."""
        return [(self.namespace, self.room), (self.namespace, None)]

    def open(self) -> None:
        for namespace, room in self.groups:
            self._local.tap(namespace, room, self._hear)

    def close(self) -> None:
        for namespace, room in self.groups:
            self._local.untap(namespace, room, self._hear)

    def take(self) -> dict[str, Any]:
        """What was heard since the last time: {"lines": [...], "skipped": how many more}."""
        lines, skipped = self._lines, self._skipped
        self._lines, self._skipped = [], 0
        return {"lines": lines, "skipped": skipped}

    def _hear(self, emission: Emission) -> None:
        if not self._lines and not self._skipped:
            self._ready()
        if self._bucket.take(time.monotonic()):
            self._lines.append(line(emission))
        else:
            self._skipped += 1


def line(emission: Emission) -> Line:
    """An emission for people: its name, and its arguments as JSON text of a bounded length.

    `args` is None where the event is too large to show. `rooms` is None for an event to the whole
    namespace, otherwise the first few rooms that it went to.
    """
    rooms = emission.to
    return {
        "at": time.time(),
        "event": _cut(emission.event, MAX_STRING),
        "args": _arguments(emission),
        "bytes": sum(map(_size, emission.messages)),
        "rooms": None if rooms is None else [_cut(room, MAX_STRING) for room in rooms[:MAX_ITEMS]],
        "volatile": emission.volatile,
        "skips": len(emission.skip) + (len(emission.actor.sids) if emission.actor else 0),
    }


def _size(message: str | bytes) -> int:
    return len(message)


def _arguments(emission: Emission) -> str | None:
    # Attachments are not decoded, only mentioned, so they may be of any size.
    if len(emission.messages[0]) > MAX_DECODED:
        return None
    decoder = emissions.parser().decoder(is_own=True)
    try:
        *_, packet = map(decoder.feed, emission.messages)
    except ProtocolError:  # nested deeper than Python reads where it stands
        return None
    if packet is None:
        return None
    return _cut(json.dumps(_bounded(packet.data[1:], 0), ensure_ascii=False), MAX_TEXT)


def _bounded(value: Any, level: int) -> Any:
    if isinstance(value, str):
        return _cut(value, MAX_STRING)
    if isinstance(value, bytes):
        return f"<binary, {len(value)} bytes>"
    if value is None or isinstance(value, bool | int | float):
        return value
    if level == MAX_LEVELS:
        return "..."
    if isinstance(value, Mapping):
        shown = {
            _cut(str(key), MAX_STRING): _bounded(item, level + 1)
            for key, item in list(value.items())[:MAX_ITEMS]
        }
        return shown | _more(len(value))
    if isinstance(value, list):
        cut = [_bounded(item, level + 1) for item in value[:MAX_ITEMS]]
        return [*cut, *_more(len(value))]
    return _cut(str(value), MAX_STRING)


def _more(size: int) -> dict[str, str]:
    return {f"... {size - MAX_ITEMS} more": "..."} if size > MAX_ITEMS else {}


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} characters)"
