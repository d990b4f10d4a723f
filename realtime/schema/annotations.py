"""From an annotation to its kind; read once, when the class is made."""

import collections.abc
import dataclasses
import enum
import types
import typing
from typing import Any

from . import libraries
from .containers import Array, Lazy, LongTuple, Mapping, Tuple, Validated
from .kinds import ANYTHING, Kind
from .plain import Binary, Boolean, Choice, Integer, Null, Number, Text
from .records import Field, record_of
from .texts import TEXTS
from .unions import Union

_PLAIN: dict[Any, Kind] = {
    Any: ANYTHING,
    object: ANYTHING,
    None: Null(),
    type(None): Null(),
    str: Text(),
    int: Integer(),
    float: Number(),
    bool: Boolean(),
    bytes: Binary(),
    list: Array(ANYTHING),
    tuple: LongTuple(ANYTHING),
    dict: Mapping(Text(), ANYTHING),
    **TEXTS,
}
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable)
_DICTS = (dict, collections.abc.Mapping)
_UNIONS = (typing.Union, types.UnionType)
_ALIAS = getattr(typing, "TypeAliasType", ())
_MARKS = (typing.Required, typing.NotRequired)


class Unchecked(TypeError):
    """An annotation of which nothing knows how to check a value."""


def _shown(annotation: Any) -> str:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return repr(annotation)


class Reader:
    """Reads the annotations of one class; kinds that contain themselves are made once."""

    def __init__(self) -> None:
        self._made: dict[Any, Kind] = {}

    def kind(self, annotation: Any) -> Kind:
        """Raises Unchecked."""
        try:
            if annotation in _PLAIN:
                return _PLAIN[annotation]
            if annotation in self._made:
                return self._made[annotation]
        except TypeError:  # unhashable, such as Annotated[str, []]
            pass
        found = self._compound(annotation) or self._class(annotation)
        found = found or libraries.kind_of(annotation) or libraries.guess(annotation)
        if found is None:
            raise Unchecked(_shown(annotation))
        return found

    def _compound(self, annotation: Any) -> Kind | None:
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in _UNIONS:
            return Union([self.kind(member) for member in args])
        if origin is typing.Literal:
            return Choice.literal(args)
        if origin is typing.Annotated:
            return self._annotated(annotation)
        if origin in _MARKS:
            return self.kind(args[0])
        if origin in _LISTS:
            return Array(self.kind(args[0]))
        if origin is tuple:
            if args[-1:] == (Ellipsis,):
                return LongTuple(self.kind(args[0]))
            return Tuple([self.kind(item) for item in args])
        if origin in _DICTS:
            key = self.kind(args[0])
            if not (key.is_text or key is ANYTHING):
                raise Unchecked(f"{annotation!r}, because keys are strings in JSON")
            return Mapping(Text() if key is ANYTHING else key, self.kind(args[1]))
        if isinstance(annotation, _ALIAS):
            lazy = self._made[annotation] = Lazy(annotation.__name__)
            lazy.kind = self.kind(annotation.__value__)
            return lazy
        if isinstance(annotation, typing.NewType):
            return self.kind(annotation.__supertype__)
        return None

    def _annotated(self, annotation: Any) -> Kind:
        inner, *extras = typing.get_args(annotation)
        foreign = libraries.constrained(annotation, extras)
        if foreign is not None:
            return foreign
        validators = [e for e in extras if callable(e) and not isinstance(e, type)]
        kind = self.kind(inner)
        return Validated(kind, validators) if validators else kind

    def _class(self, cls: Any) -> Kind | None:
        if not isinstance(cls, type):
            return None
        if issubclass(cls, enum.Enum):
            if all(isinstance(member.value, str | int) for member in cls):
                return Choice.enum(cls)
            return None
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            kinds = [self.kind(hint) for hint in hints_of(cls).values()]
            return Tuple(kinds, getattr(cls, "_make"))  # noqa: B009 - a name of namedtuple's API
        is_ours = dataclasses.is_dataclass(cls) and not libraries.kind_of(cls)
        if typing.is_typeddict(cls) or is_ours:
            return self._record(cls)
        return None

    def _record(self, cls: Any) -> Kind:
        hints = hints_of(cls)
        record, fields = record_of(cls, hints)
        self._made[cls] = record
        for name, required, sent in fields:
            try:
                kind = self.kind(hints[name])
            except Unchecked as error:
                raise Unchecked(f"{error}, in {cls.__qualname__}.{name}") from None
            record.fields.append(Field(name, kind, required, sent))
        return record


def hints_of(cls: Any) -> dict[str, Any]:
    """The annotations of a class's fields, those too that are texts."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise Unchecked(f"{cls.__qualname__}, in which {error}") from None
