"""The data of a socket as text to look at, whatever an application keeps there."""

import json
import math
from collections.abc import Mapping
from typing import Any

from ..json import django_default
from ..logs import writable

#: Characters of the JSON text of a socket's data; more is cut, value by value.
MAX_DATA = 10_000
_MAX_DEPTH = 10
_SHORT = 100


def readable(data: Mapping[Any, Any]) -> str:
    """JSON text of a socket's data, to be looked at. What JSON can't hold is in it as text."""
    text = json.dumps(_plain(data, 0))
    if len(text) <= MAX_DATA:
        return text
    cut = {_text(key): _text(data[key]) for key in list(data)[: MAX_DATA // _SHORT // 2]}
    return json.dumps(cut)


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return writable(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {_text(key): _plain(item, depth + 1) for key, item in list(value.items())}
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(item, depth + 1) for item in value]
    try:
        return django_default(value)
    except TypeError:
        return _text(value)


def _text(value: Any) -> str:
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as error:  # a repr of the application's own
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    text = writable(text)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."
