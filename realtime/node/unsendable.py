"""What can't be sent: which argument it is, where in it, and what to send instead.

Looked for only when encoding has failed.
"""

import dataclasses
import datetime
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.files import File
from django.db.models import Manager, Model, QuerySet
from django.db.models.query import RawQuerySet
from django.forms import BaseForm

from ..protocol.packets import MAX_DEPTH, Packet, PacketType

Encode = Callable[[Packet], Any]
#: Never at fault, whatever encodes.
_PLAIN = (str, bool, int, type(None), bytes, bytearray, memoryview)
_KEYS = (str, int, float, bool, type(None))


def explain(packet: Packet, error: Exception, encode: Encode) -> Exception:
    """The error to raise for a packet that `encode` refused: `error` if it says all there is."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    for name, value in _values(packet):
        for path, fault in _faults(value, encode):
            place = f"{name}, at {path}," if path else name
            return kind(f"{place} is {fault}")
    return error if isinstance(error, TypeError | ValueError) else kind(str(error))


def _values(packet: Packet) -> Iterator[tuple[str, Any]]:
    """What was to be sent, each value with the words for it."""
    if packet.type == PacketType.EVENT:
        yield from ((f"argument {n}", value) for n, value in enumerate(packet.data[1:], 1))
    elif packet.type == PacketType.ACK:
        values = packet.data
        if len(values) == 1:
            yield "the answer", values[0]
        else:
            yield from ((f"value {n} of the answer", value) for n, value in enumerate(values, 1))
    else:
        yield "the data", packet.data


def _faults(value: Any, encode: Encode) -> Iterator[tuple[str, str]]:
    """Each value that can't be sent: its path, and what is to be said of it."""
    waiting: list[tuple[str, Any, tuple[int, ...]]] = [("", value, ())]
    while waiting:
        path, item, above = waiting.pop()
        if id(item) in above:
            yield path, f"{_a(item)} that contains itself: leave it out there"
        elif len(above) > MAX_DEPTH:
            yield "", f"nested deeper than {MAX_DEPTH}"
        elif isinstance(item, dict):
            for key in item:
                if not isinstance(key, _KEYS):
                    yield path, f"{_a(item)} with the key {key!r}: keys must be strings"
            inner = [(f"{path}[{_shown(k)}]", v, (*above, id(item))) for k, v in item.items()]
            waiting += reversed(inner)
        elif isinstance(item, list | tuple):
            inner = [(f"{path}[{n}]", v, (*above, id(item))) for n, v in enumerate(item)]
            waiting += reversed(inner)
        elif _is_record(item):
            inner = [
                (f"{path}.{field.name}", getattr(item, field.name), (*above, id(item)))
                for field in dataclasses.fields(item)
            ]
            waiting += reversed(inner)
        elif type(item) not in _PLAIN or isinstance(item, int):
            try:
                encode(Packet(PacketType.EVENT, "/", ["event", item]))
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                yield path, _advice(item, error)


def _is_record(item: Any) -> bool:
    """Whether it is sent field by field; pydantic and msgspec say themselves what is wrong."""
    cls = type(item)
    return dataclasses.is_dataclass(cls) and not hasattr(cls, "__pydantic_validator__")


def _shown(key: Any) -> str:
    return '"' + key + '"' if isinstance(key, str) else repr(key)


def _a(item: Any) -> str:
    name = item.__class__.__name__  # of a lazy object it is what is behind it
    return f"{'an' if name[:1] in 'AEIOaeio' else 'a'} {name}"


def _advice(item: Any, error: Exception) -> str:
    if isinstance(item, float) and not math.isfinite(item):
        return f"{item}, which JavaScript's clients can't read: send None, or a string"
    if isinstance(item, int):
        return f"{_a(item)} that is out of range: send a string"
    if isinstance(item, type):
        return f"the class {item.__name__}: send a value"
    for kinds, advice in _ADVICE:
        if isinstance(item, kinds):
            return f"{_a(item)}: {advice}"
    if getattr(item, "is_anonymous", False) is True:
        return f"{_a(item)}: send what identifies a guest, or None"
    if hasattr(item, "__pydantic_serializer__") or hasattr(item, "__struct_fields__"):
        return f"{_a(item)} that its library can't serialize: {error}"
    if isinstance(item, Awaitable):
        return f"{_a(item)}: await it first"
    if isinstance(item, Iterable):
        return f"{_a(item)}: make it a list"
    if isinstance(item, _CONVERTED):  # a kind that can be sent, but not this one
        return f"{_a(item)}: {error}"
    return f"{_a(item)}: send a dict, a list, a string or a number"


#: Numbers and what DjangoJSONEncoder converts.
_CONVERTED = (float, datetime.date, datetime.time, datetime.timedelta, Decimal, UUID)
_ADVICE: list[tuple[Any, str]] = [
    (Model, "send a dict of what the client may see, or pass it in to="),
    (QuerySet, "send list(queryset.values(...)), with the fields that the client may see"),
    (RawQuerySet, "send a list of dicts, with the fields that the client may see"),
    (Manager, "send list(manager.values(...)), with the fields that the client may see"),
    ((set, frozenset), "make it a list"),
    (File, "send its name or its url"),
    (BaseForm, "send its cleaned_data, or errors.get_json_data()"),
    (BaseException, "send str() of it"),
]
