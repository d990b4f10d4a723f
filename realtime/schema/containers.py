"""Kinds that are made of others: lists, tuples, dicts, and what `Annotated` adds."""

from collections.abc import Callable, Sequence
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import (
    MaxLengthValidator,
    MaxValueValidator,
    MinLengthValidator,
    MinValueValidator,
)

from .definitions import Definitions, Schema
from .faults import Fault, Faults, Invalid, must_be
from .kinds import Kind


class Array(Kind):
    is_deep = True

    def __init__(self, item: Kind) -> None:
        self._item = item

    def load(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise must_be("an array", value)
        loaded, faults, load = [], Faults(), self._item.load
        for index, item in enumerate(value):
            try:
                loaded.append(load(item))
            except Invalid as invalid:
                faults.add(index, invalid)
                if faults.enough:
                    break
        faults.check()
        return self._collect(loaded)

    def _collect(self, loaded: list[Any]) -> Any:
        return loaded

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"type": "array", "items": self._item.schema(definitions, sent=sent)}


class LongTuple(Array):
    """`tuple[str, ...]`"""

    def _collect(self, loaded: list[Any]) -> Any:
        return tuple(loaded)


class Tuple(Kind):
    is_deep = True

    def __init__(self, items: Sequence[Kind], make: Callable[[list[Any]], Any] = tuple) -> None:
        self.items = items
        self._make = make

    def load(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise must_be("an array", value)
        if len(value) != len(self.items):
            raise Invalid.of(f"must have {len(self.items)} items, not {len(value)}", "length")
        loaded, faults = [], Faults()
        for index, (kind, item) in enumerate(zip(self.items, value, strict=True)):
            try:
                loaded.append(kind.load(item))
            except Invalid as invalid:
                faults.add(index, invalid)
        faults.check()
        return self._make(loaded)

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return array_of([item.schema(definitions, sent=sent) for item in self.items])


def array_of(items: Sequence[Schema], least: int | None = None, rest: Any = False) -> Schema:
    """The schema of an array with these items, as JSON Schema's draft 7 says it."""
    least = len(items) if least is None else least
    if not items:
        return (
            {"type": "array", "maxItems": 0} if rest is False else {"type": "array", "items": rest}
        )
    schema = {
        "type": "array",
        "items": list(items),
        "additionalItems": rest,
        "minItems": least,
    }
    return schema | ({"maxItems": len(items)} if rest is False else {})


class Mapping(Kind):
    is_deep = True

    def __init__(self, key: Kind, value: Kind) -> None:
        self._key = key
        self._value = value

    def load(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise must_be("an object", value)
        loaded, faults = {}, Faults()
        for key, item in value.items():
            try:
                loaded[self._key.load(key)] = self._value.load(item)
            except Invalid as invalid:
                faults.add(str(key), invalid)
                if faults.enough:
                    break
        faults.check()
        return loaded

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        schema: Schema = {
            "type": "object",
            "additionalProperties": self._value.schema(definitions, sent=sent),
        }
        names = self._key.schema(definitions, sent=sent)
        return schema if names == {"type": "string"} else schema | {"propertyNames": names}


class Lazy(Kind):
    """What an alias of a type stands for, which may use the alias itself."""

    is_deep = True

    def __init__(self, alias: Any) -> None:
        self._alias = alias
        self.kind = Kind()
        #: Whether what is sent differs from what is received; None where nobody has looked.
        self._differs: bool | None = None

    def load(self, value: Any) -> Any:
        return self.kind.load(value)

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        # By the alias: each handler that has it in an annotation reads it anew.
        key = (self._alias, sent and self._has_two_forms())
        return definitions.refer(
            key, self._alias.__name__, lambda: self.kind.schema(definitions, sent=sent)
        )

    def _has_two_forms(self) -> bool:
        if self._differs is None:
            self._differs = False  # of the alias in itself
            forms = []
            for sent in (False, True):
                definitions = Definitions()
                forms.append((self.kind.schema(definitions, sent=sent), definitions.schemas))
            self._differs = forms[0] != forms[1]
        return self._differs


_KEYWORDS = (
    (MinLengthValidator, "minLength"),
    (MaxLengthValidator, "maxLength"),
    (MinValueValidator, "minimum"),
    (MaxValueValidator, "maximum"),
)


class Validated(Kind):
    """`Annotated[str, MaxLengthValidator(100)]`: Django's validators, or any such function."""

    def __init__(self, inner: Kind, validators: Sequence[Callable[[Any], Any]]) -> None:
        self._inner = inner
        self._validators = validators
        self.is_text = inner.is_text
        self.is_deep = inner.is_deep

    def load(self, value: Any) -> Any:
        loaded = self._inner.load(value)
        for validate in self._validators:
            try:
                validate(loaded)
            except ValidationError as error:
                raise Invalid(*faults_of(error)) from None
            except ValueError as error:
                raise Invalid.of(str(error) or "is not valid", "invalid") from None
        return loaded

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        schema = dict(self._inner.schema(definitions, sent=sent))
        if "$ref" not in schema:
            for validator in self._validators:
                schema |= _limits(validator)
        return schema


def _limits(validator: Callable[[Any], Any]) -> Schema:
    for kind, keyword in _KEYWORDS:
        if isinstance(validator, kind):
            limit = validator.limit_value
            return {keyword: limit} if isinstance(limit, int | float) else {}
    return {}


def faults_of(error: ValidationError) -> list[Fault]:
    """Those of Django's error; the path is the field's name if it has fields."""
    if hasattr(error, "error_dict"):
        return [
            fault if field == NON_FIELD_ERRORS else fault.under(field)
            for field, errors in error.error_dict.items()
            for one in errors
            for fault in faults_of(one)
        ]
    return [Fault(str(one.messages[0]), one.code or "invalid") for one in error.error_list]
