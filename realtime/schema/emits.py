"""`emits` of a consumer: the events that the server sends, for descriptions of a namespace."""

import collections.abc
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .annotations import Reader, Unchecked
from .kinds import Kind
from .serializers import SerializerKind, is_serializer


@dataclass(frozen=True, slots=True)
class Emitted:
    event: str
    args: tuple[Kind, ...]
    #: What the client answers to a `call`; Ellipsis where it is not asked.
    answer: Any = ...


def read_emits(cls: type, more: Mapping[str, Any]) -> dict[str, Emitted]:
    """Those that a class and its bases declare, and more; theirs go before.

    Raises TypeError for what can't be described.
    """
    declared = dict(more)
    for base in reversed(cls.__mro__):
        own = vars(base).get("emits", {})
        if not isinstance(own, Mapping):
            raise TypeError(
                f"{base.__module__}.{base.__qualname__}.emits must be a dict of event names and"
                f" types, not {own!r}"
            )
        declared |= own
    return {event: _read(cls, event, annotation) for event, annotation in declared.items()}


def _read(cls: type, event: str, annotation: Any) -> Emitted:
    answer: Any = ...
    try:
        if typing.get_origin(annotation) is collections.abc.Callable:
            annotations, returned = typing.get_args(annotation)
            answer = _kind_of(returned)
        else:
            annotations = annotation if isinstance(annotation, tuple) else (annotation,)
        return Emitted(event, tuple(_kind_of(each) for each in annotations), answer)
    except (Unchecked, TypeError) as error:
        raise TypeError(
            f"{cls.__module__}.{cls.__qualname__}.emits: {event!r} can't be described: {error}."
            " Give a type, a tuple of types for several arguments, or Callable[[...], answer] for"
            " what clients are asked with call()."
        ) from None


def _kind_of(annotation: Any) -> Kind:
    return SerializerKind(annotation) if is_serializer(annotation) else Reader().kind(annotation)
