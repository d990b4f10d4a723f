"""Objects with named fields: dataclasses, TypedDicts, named tuples."""

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
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
    #: Whether clients send it, and whether the server does, at all: a dataclass may make a field by
    #: itself, from what is none.
    is_received: bool = True
    is_sent: bool = True


class Part(typing.NamedTuple):
    """What is known of a field before its annotation is read."""

    name: str
    annotation: Any
    known: dict[str, bool]


class Record(Kind):
    """A client's object with more keys is taken without them: they never reach the handler."""

    is_deep = True

    def __init__(self, annotation: Any, make: Callable[..., Any]) -> None:
        self._annotation = annotation
        self._make = make
        #: Filled in after the record was made: a field may be of the record's own kind.
        self.fields: list[Field] = []
        self._received: list[Field] = []

    def add(self, field: Field) -> None:
        self.fields.append(field)
        if field.is_received:
            self._received.append(field)

    def load(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise must_be("an object", value)
        loaded, faults = {}, Faults()
        for field in self._received:
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
        differs = any(f.sent != f.required or f.is_sent != f.is_received for f in self.fields)
        key = (self._annotation, sent and differs)
        return definitions.refer(
            key, _name_of(self._annotation), lambda: self._object(definitions, sent=sent)
        )

    def _object(self, definitions: Definitions, *, sent: bool) -> Schema:
        fields = [f for f in self.fields if (f.is_sent if sent else f.is_received)]
        properties = {f.name: f.kind.schema(definitions, sent=sent) for f in fields}
        required = [f.name for f in fields if (f.sent if sent else f.required)]
        schema: Schema = {"type": "object", "properties": properties}
        return schema | ({"required": required} if required else {})


def is_typeddict(cls: Any) -> bool:
    """Whether a class is a TypedDict, of whichever of the two modules that have one."""
    extensions = sys.modules.get("typing_extensions")
    return typing.is_typeddict(cls) or (
        extensions is not None and bool(extensions.is_typeddict(cls))
    )


def _name_of(annotation: Any) -> str:
    """What a class is called in documents: "PageItem" for Page[Item]."""
    own = getattr(annotation, "__name__", None) or re.sub(r"\W+", "", str(annotation))
    return str(own) + "".join(_name_of(arg).capitalize() for arg in typing.get_args(annotation))


def filled(hints: dict[str, Any], cls: Any, args: Sequence[Any]) -> dict[str, Any]:
    """The annotations of a generic class, with what stands for its type variables."""
    values = dict(zip(getattr(cls, "__parameters__", ()), args, strict=False))
    return {name: _filled(hint, values) for name, hint in hints.items()} if values else hints


def _filled(hint: Any, values: dict[Any, Any]) -> Any:
    if isinstance(hint, typing.TypeVar):
        return values.get(hint, hint)
    variables = getattr(hint, "__parameters__", ())
    if not variables or isinstance(hint, type):
        return hint
    return hint[tuple(values.get(each, each) for each in variables)]


def record_of(cls: Any, annotation: Any, hints: dict[str, Any]) -> tuple[Record, list[Part]]:
    """A record without its fields, and what is to be known of each beside its kind."""
    if is_typeddict(cls):
        keys = [(name, _is_required(cls, name, hint)) for name, hint in hints.items()]
        return Record(annotation, dict), [
            Part(name, hints[name], {"required": required, "sent": required})
            for name, required in keys
        ]
    return Record(annotation, cls), list(_parts_of(cls, hints))


def _parts_of(cls: Any, hints: dict[str, Any]) -> Iterator[Part]:
    missing = dataclasses.MISSING
    for field in dataclasses.fields(cls):
        has_default = field.default is not missing or field.default_factory is not missing
        known = {"required": not has_default, "sent": True, "is_received": field.init}
        yield Part(field.name, hints[field.name], known)
    parameters = inspect.signature(cls).parameters
    for name, hint in hints.items():
        if isinstance(hint, dataclasses.InitVar):
            required = name in parameters and parameters[name].default is inspect.Parameter.empty
            known = {"required": required, "sent": False, "is_sent": False}
            yield Part(name, hint.type, known)


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Required, typing.NotRequired):
        # Python's own __required_keys__ does not see them in annotations that are texts.
        return origin is typing.Required
    return name in cls.__required_keys__
