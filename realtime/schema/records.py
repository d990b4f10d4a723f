"""Objects with named fields: dataclasses, TypedDicts, named tuples."""

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError

from .containers import faults_of
from .definitions import Definitions, Schema
from .faults import Fault, Faults, Invalid, must_be
from .kinds import Kind

_REQUIRED = Fault("is required", "required")


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: Kind
    #: Clients have to send it.
    required: bool
    #: The server always sends it.
    sent: bool


class Record(Kind):
    """A client's object with more keys is taken without them: they never reach the handler."""

    is_deep = True

    def __init__(self, cls: type, make: Callable[..., Any]) -> None:
        self._cls = cls
        self._make = make
        #: Filled in after the record was made: a field may be of the record's own kind.
        self.fields: list[Field] = []

    def load(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise must_be("an object", value)
        loaded, faults = {}, Faults()
        for field in self.fields:
            name = field.name
            if name in value:
                try:
                    loaded[name] = field.kind.load(value[name])
                except Invalid as invalid:
                    faults.add(name, invalid)
            elif field.required:
                faults.add(name, Invalid(_REQUIRED))
            if faults.enough:
                break
        faults.check()
        try:
            return self._make(**loaded)
        # What a __post_init__ says about the fields together.
        except ValidationError as error:
            raise Invalid(*faults_of(error)) from None
        except ValueError as error:
            raise Invalid.of(str(error) or "is not valid", "invalid") from None

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        differs = any(field.sent != field.required for field in self.fields)
        key = (self._cls, sent and differs)
        return definitions.refer(
            key, self._cls.__name__, lambda: self._object(definitions, sent=sent)
        )

    def _object(self, definitions: Definitions, *, sent: bool) -> Schema:
        properties = {f.name: f.kind.schema(definitions, sent=sent) for f in self.fields}
        required = [f.name for f in self.fields if (f.sent if sent else f.required)]
        schema: Schema = {"type": "object", "properties": properties}
        return schema | ({"required": required} if required else {})


def record_of(cls: Any, hints: dict[str, Any]) -> tuple[Record, list[tuple[str, bool, bool]]]:
    """A record without its fields, and the name of each, whether required, and whether sent."""
    if typing.is_typeddict(cls):
        keys = [(name, _is_required(cls, name, hint)) for name, hint in hints.items()]
        return Record(cls, dict), [(name, required, required) for name, required in keys]
    record = Record(cls, cls)
    missing = dataclasses.MISSING
    return record, [
        (f.name, f.default is missing and f.default_factory is missing, True)
        for f in dataclasses.fields(cls)
        if f.init
    ]


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Required, typing.NotRequired):
        # Python's own __required_keys__ does not see them in annotations that are texts.
        return origin is typing.Required
    return name in cls.__required_keys__
