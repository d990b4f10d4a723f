"""JSON's own types, strictly as JSON has them: `true` is no number, and "1" is none either."""

import enum
import json
import math
from collections.abc import Iterable
from typing import Any

from .definitions import Definitions, Schema
from .faults import Invalid, must_be
from .kinds import Kind

#: How the fault of a value begins that is none of the few.
ONE_OF = "must be one of: "
#: From here on JavaScript's numbers skip integers.
_MAX_SAFE = 2**53


class Text(Kind):
    is_text = True
    exact = str

    def load(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        raise must_be("a string", value)

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"type": "string"}


class Integer(Kind):
    exact = int

    def load(self, value: Any) -> Any:
        if type(value) is int:
            return value
        # JavaScript has one kind of number, and msgpack encoders of it choose a float at times.
        if type(value) is float and value.is_integer() and abs(value) <= _MAX_SAFE:
            return int(value)
        if type(value) is float:
            raise Invalid.of("must be an integer", "type")
        raise must_be("an integer", value)

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"type": "integer"}


class Number(Kind):
    # No type is taken as it is: JSON has no NaN and no infinities, but msgpack has.

    def load(self, value: Any) -> Any:
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) is float:
            raise Invalid.of("must be a finite number", "type")
        if type(value) is not int:
            raise must_be("a number", value)
        try:
            return float(value)
        except OverflowError:
            raise Invalid.of("must be a number of 64 bits", "type") from None

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"type": "number"}


class Boolean(Kind):
    exact = bool

    def load(self, value: Any) -> Any:
        if isinstance(value, bool):
            return value
        raise must_be("true or false", value)

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"type": "boolean"}


class Null(Kind):
    def load(self, value: Any) -> Any:
        if value is not None:
            raise must_be("null", value)

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"type": "null"}


class Binary(Kind):
    exact = bytes

    def load(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return value
        raise must_be("binary data", value)

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"type": "string", "format": "binary"}


class Choice(Kind):
    """One of a few values: those of a Literal, or of an Enum, whose member the handler gets."""

    def __init__(self, options: Iterable[tuple[Any, Any]]) -> None:
        # By type as well: in Python 1 == True.
        self._options = {(type(sent), sent): value for sent, value in options}
        self.is_text = all(kind is str for kind, _ in self._options)

    @classmethod
    def literal(cls, values: Iterable[Any]) -> "Choice":
        return cls((_bare(value), value) for value in values)

    @classmethod
    def enum(cls, members: type[enum.Enum]) -> "Choice":
        return cls((member.value, member) for member in members)

    def load(self, value: Any) -> Any:
        if type(value) is float and value.is_integer():  # as of an Integer
            value = int(value)
        if isinstance(value, str | int | None):
            try:
                return self._options[type(value), value]
            except KeyError:
                pass
        raise Invalid.of(f"{ONE_OF}{', '.join(map(_shown, self._options))}", "choice")

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"enum": [option for _, option in self._options]}


def _shown(option: tuple[type, Any]) -> str:
    kind, sent = option
    return sent if kind is str else json.dumps(sent)


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value
