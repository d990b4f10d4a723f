"""Types that travel as text, in the spelling in which Django's JSON sends them."""

import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime, parse_duration, parse_time
from django.utils.timezone import is_naive, make_aware, make_naive

from .definitions import Definitions, Schema
from .faults import Invalid, must_be
from .kinds import Kind

_MAX_LENGTH = 100
#: An exponent of more digits makes a number that fills the memory when it is written out.
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


class Parsed(Kind):
    is_text = True

    def __init__(self, wanted: str, form: str, parse: Callable[[str], Any]) -> None:
        self._wanted = wanted
        self._form = form
        self._parse = parse

    def load(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise must_be(self._wanted, value)
        try:
            parsed = self._parse(value) if len(value) <= _MAX_LENGTH else None
        except (ValueError, OverflowError):
            parsed = None
        if parsed is None:
            raise Invalid.of(f"must be {self._wanted}", "format")
        return parsed

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"type": "string", "format": self._form}


class Moments(Parsed):
    """Moments, which the msgpack parser hands over as they are: they came as JavaScript's Date."""

    def load(self, value: Any) -> Any:
        return super().load(value.isoformat() if isinstance(value, datetime) else value)


class Decimals(Kind):
    """A number as well: that is how a form's input reads in JavaScript."""

    is_text = True

    def load(self, value: Any) -> Any:
        if type(value) is int or type(value) is float:
            value = repr(value)
        if not isinstance(value, str):
            raise must_be("a decimal number", value)
        if len(value) > _MAX_LENGTH or not _DECIMAL.fullmatch(value):
            raise Invalid.of("must be a decimal number", "format")
        return Decimal(value)

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        text = {"type": "string", "format": "decimal"}
        return text if sent else {"anyOf": [text, {"type": "number"}]}


def _moment(text: str) -> datetime | None:
    moment = parse_datetime(text)
    if moment is None or is_naive(moment) != settings.USE_TZ:
        return moment
    # As Django's forms and REST framework read it: without an offset it is the current time zone's,
    # and without time zones it has none, for a database would refuse it.
    return make_aware(moment) if settings.USE_TZ else make_naive(moment)


TEXTS: dict[type, Kind] = {
    datetime: Moments("a date and time as ISO 8601 has it", "date-time", _moment),
    date: Parsed("a date as 2026-11-25", "date", parse_date),
    time: Parsed("a time as 09:30", "time", parse_time),
    timedelta: Parsed("a duration as ISO 8601 has it", "duration", parse_duration),
    uuid.UUID: Parsed("a UUID", "uuid", uuid.UUID),
    Decimal: Decimals(),
}
