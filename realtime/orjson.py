"""The functions of realtime.json, with orjson: `REALTIME = {"JSON": "realtime.orjson"}`.

It falls back to realtime.json for what orjson can't do, such as writing integers beyond 64 bits or
lone surrogates. Two differences remain: orjson writes NaN and infinities as null instead of
refusing them, and reads integers beyond 64 bits as floats.
"""

from collections.abc import Callable
from typing import Any

import orjson

from . import json

# Dates as Django writes them, whichever module does it.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS


def dumps(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Return the JSON text of `value`; see realtime.json.dumps."""
    if default is not None:
        # It sets attachments apart, which must happen once: there is no second try with it.
        return json.dumps(value, default)
    try:
        return orjson.dumps(value, default=json.django_default, option=_OPTIONS).decode()
    except TypeError:
        return json.dumps(value)


def loads(text: str) -> Any:
    """Return the value of a JSON text; see realtime.json.loads."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
