"""JSON for Socket.IO: compact, with Django's types, and nothing that JavaScript can't read.

The setting `REALTIME["JSON"]` names another module with the same two functions, for instance one on
orjson. Both must refuse NaN and infinities: one such value makes every JavaScript client of a room
drop its connection.
"""

import json
import math
from collections.abc import Callable
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
_decode = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant).decode
_decode_long = json.JSONDecoder(
    parse_float=_finite, parse_int=_finite_integer, parse_constant=_refuse_constant
).decode
_options: dict[str, Any] = {
    "ensure_ascii": False,
    "allow_nan": False,
    "separators": (",", ":"),
}
_encode = json.JSONEncoder(**_options, default=django_default).encode


def dumps(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """The JSON text of `value`.

    `default` is called with every object that JSON can't hold, and returns one that it can, or
    raises TypeError; Django's dates, decimals, UUIDs and lazy strings need no `default`. Raises
    TypeError or ValueError for what JSON can't hold.
    """
    if default is None:
        return _encode(value)

    def convert(item: Any) -> Any:
        try:
            return default(item)
        except TypeError:
            return django_default(item)

    return json.JSONEncoder(**_options, default=convert).encode(value)


def loads(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for NaN and numbers out of range."""
    # A short text holds no long number, so it needs no call for each integer.
    return _decode(text) if len(text) < _ENDLESS else _decode_long(text)
