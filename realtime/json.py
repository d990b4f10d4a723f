"""JSON for Socket.IO: compact, with support for Django's types, and readable by JavaScript.

The setting `REALTIME["JSON"]` can name another module with the same two functions. It must not
write NaN or infinities, because such a value makes every JavaScript client in a room drop its
connection.
"""

import json
import math
from collections.abc import Callable, Iterable
from json import encoder
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

django_default = DjangoJSONEncoder().default


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"number out of range: {digits[:20]}")
    return number


def _finite_integer(digits: str) -> int:
    if len(digits) >= _ENDLESS:
        raise ValueError(f"number out of range: {digits[:20]}")
    return int(digits)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


#: An integer of so many digits is Infinity in JavaScript.
_ENDLESS = 310
_decoder: Any = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)
_long_decoder = json.JSONDecoder(
    parse_float=_finite, parse_int=_finite_integer, parse_constant=_refuse_constant
)
#: The value that begins at a place in a short text, and where it ends: what `loads` is made of, for
#: packets, so that the event in one needs no copy. Not one of the two functions of a module. Raises
#: StopIteration or ValueError.
scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once
_options: dict[str, Any] = {
    "ensure_ascii": False,
    "allow_nan": False,
    "separators": (",", ":"),
}
_encode = json.JSONEncoder(**_options, default=django_default).encode


def _reused_encoder() -> Callable[[Any, int], Iterable[str]] | None:
    """What `_encode` makes anew for each call, which takes longer than to encode most events.

    The json module offers no way to keep it; a guard in tests/test_guards.py compares what both
    write. None where Python has no C accelerator that is made like this.
    """
    make = getattr(encoder, "c_make_encoder", None)
    if make is None:
        return None
    try:
        # In the order of json.encoder: no memory of the containers it is in, for it would not be
        # emptied by a failure; the escapes; no indent; separators; no sorting, skipping, NaN.
        reused: Callable[[Any, int], Iterable[str]] = make(
            None, django_default, encoder.encode_basestring, None, ":", ",", False, False, False
        )
    except TypeError:
        return None
    return reused


_chunks = _reused_encoder()


def dumps(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Return the JSON text of `value`.

    `default` is called with every object that JSON can't represent. It returns one that JSON can
    represent, or raises TypeError. Dates, decimals, UUIDs and lazy strings need no `default`.
    Raises TypeError or ValueError for values that can't be represented.
    """
    if default is None:
        if _chunks is not None:
            try:
                return "".join(_chunks(value, 0))
            except RecursionError:
                pass  # a value that holds itself, maybe, which the other one tells
        return _encode(value)

    def convert(item: Any) -> Any:
        try:
            return default(item)
        except TypeError:
            return django_default(item)

    return json.JSONEncoder(**_options, default=convert).encode(value)


def loads(text: str) -> Any:
    """Return the value of a JSON text. Raises ValueError, also for NaN and numbers out of range."""
    # A short text holds no long number, so it needs no call for each integer.
    decoder = _decoder if len(text) < _ENDLESS else _long_decoder
    if text[:1] not in "[{":
        return decoder.decode(text)
    # The same without two searches for white space around the value.
    value, end = decoder.raw_decode(text)
    if end != len(text) and (rest := text[end:].lstrip(_SPACE)):
        raise json.JSONDecodeError("Extra data", text, len(text) - len(rest))
    return value


#: What JSON takes for white space.
_SPACE = " \t\n\r"
