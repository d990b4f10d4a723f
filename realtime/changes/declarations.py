"""Which rows of a model are told to whom, and in what words."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model

KINDS = ("created", "updated", "deleted")


@dataclass(frozen=True, kw_only=True, eq=False)
class Declaration:
    """One way in which a model's changes are told; see `announce_changes`."""

    model: type[Model]
    to: Any
    namespace: str | Callable[[Any], str]
    event: str
    fields: tuple[str, ...]
    serializer: Callable[[Any], Any] | None
    when: Callable[[Any, str], Any] | None
    only_changed: bool
    on: frozenset[str]
    skip: Any

    def names(self, field: str) -> bool:
        """Whether a change of this many-to-many field is one of what clients get."""
        return self.serializer is not None or field in self.fields

    @property
    def missing_fields(self) -> list[str]:
        """Names in `fields` that are no field of the model's table, nor a many-to-many one."""
        return [name for name in self.fields if field_of(self.model, name) is None]


_declarations: list[Declaration] = []


def declared() -> tuple[Declaration, ...]:
    """Every declaration of the site."""
    return tuple(_declarations)


@functools.cache
def declarations_of(model: type[Model]) -> tuple[Declaration, ...]:
    """The declarations that concern instances of a class: its own, and those of its bases."""
    return tuple(d for d in _declarations if issubclass(model, d.model))


def field_of(model: type[Model], name: str) -> "Field[Any, Any] | None":
    """A field of the model's table, or a many-to-many one, by its name."""
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    is_own = isinstance(field, Field) and (field.concrete or field.many_to_many)
    return cast("Field[Any, Any]", field) if is_own else None


def register(declaration: Declaration) -> None:
    """Add a declaration. Raises ValueError for one that says the same as another."""
    for other in _declarations:
        if (other.model, other.namespace, other.event) == (
            declaration.model,
            declaration.namespace,
            declaration.event,
        ):
            raise ValueError(
                f"{declaration.model.__name__} already announces {declaration.event!r} in"
                f" {declaration.namespace!r}: choose another event="
            )
    _declarations.append(declaration)
    declarations_of.cache_clear()


def forget(model: type[Model]) -> None:
    """Take the declarations of a model back, for tests that declare their own."""
    _declarations[:] = [d for d in _declarations if d.model is not model]
    declarations_of.cache_clear()
