"""From an annotation to its kind; read once, when the class is made."""

import collections.abc
import dataclasses
import enum
import sys
import types
import typing
from typing import Any

from . import libraries
from .containers import Array, Lazy, LongTuple, Mapping, Tuple, Validated
from .kinds import ANYTHING, Kind
from .plain import Binary, Boolean, Choice, Integer, Null, Number, Text
from .records import Field, filled, is_typeddict, record_of
from .texts import TEXTS
from .unions import Union

_ABSTRACT_LISTS = (collections.abc.Sequence, collections.abc.Iterable)
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
# The same by other names, as long as they say nothing of what is in them.
for _other in (typing.List, typing.Sequence, typing.Iterable, *_ABSTRACT_LISTS):  # noqa: UP006
    _PLAIN[_other] = _PLAIN[list]
for _other in (typing.Dict, typing.Mapping, collections.abc.Mapping):  # noqa: UP006
    _PLAIN[_other] = _PLAIN[dict]
_PLAIN[typing.Tuple] = _PLAIN[tuple]  # noqa: UP006
_LISTS = (list, *_ABSTRACT_LISTS)
_DICTS = (dict, collections.abc.Mapping)
_UNIONS = (typing.Union, types.UnionType)
#: Of what a TypedDict says of its keys, all that says nothing of the values.
_MARKS = ("Required", "NotRequired", "ReadOnly")


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
        if str(origin).rpartition(".")[2] in _MARKS:
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
        if type(annotation).__name__ == "TypeAliasType":  # of typing, or of typing_extensions
            lazy = self._made[annotation] = Lazy(annotation)
            lazy.kind = self.kind(_value_of(annotation))
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
        origin = typing.get_origin(cls)
        if origin is not None:  # a class with what stands for its type variables
            return self._record(origin, cls) if _is_record(origin) else None
        if not isinstance(cls, type):
            return None
        if issubclass(cls, enum.Enum):
            if all(isinstance(member.value, str | int) for member in cls):
                return Choice.enum(cls)
            return None
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            kinds = [self.kind(hint) for hint in hints_of(cls).values()]
            return Tuple(kinds, getattr(cls, "_make"))  # noqa: B009 - a name of namedtuple's API
        return self._record(cls, cls) if _is_record(cls) else None

    def _record(self, cls: Any, annotation: Any) -> Kind:
        hints = filled(hints_of(cls), cls, typing.get_args(annotation))
        record, parts = record_of(cls, annotation, hints)
        self._made[annotation] = record
        for name, annotation, known in parts:
            try:
                kind = self.kind(annotation)
            except Unchecked as error:
                raise Unchecked(f"{error}, in {cls.__qualname__}.{name}") from None
            record.add(Field(name, kind, **known))
        return record


def _is_record(cls: Any) -> bool:
    return is_typeddict(cls) or (dataclasses.is_dataclass(cls) and not libraries.kind_of(cls))


def _value_of(alias: Any) -> Any:
    """What an alias stands for, which before Python 3.12 names itself only in a text."""
    holder = types.SimpleNamespace(__annotations__={"it": alias.__value__})
    module = sys.modules.get(alias.__module__)
    try:
        return typing.get_type_hints(holder, vars(module or typing), include_extras=True)["it"]
    except NameError as error:
        raise Unchecked(f"{alias.__name__}, in which {error}") from None


def hints_of(cls: Any) -> dict[str, Any]:
    """The annotations of a class's fields, those too that are texts."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise Unchecked(f"{cls.__qualname__}, in which {error}") from None
