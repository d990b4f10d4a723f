"""What clients get to see of a row."""

from decimal import Decimal
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.core.files import File
from django.db.models import DecimalField, Model

from .declarations import Declaration, field_of
from .transactions import Row


def payload_of(
    declaration: Declaration, kind: str, instance: Any, row: Row, changed: list[str]
) -> Any:
    """What clients are told of a row: what its declaration chooses, or for a deletion the key."""
    key = {cast(Any, declaration.model._meta.pk).name: row.pk}
    if kind == "deleted":
        return key
    if declaration.serializer is not None:
        made = declaration.serializer(instance)
        # A serializer class of Django REST framework, or a function.
        return made.data if isinstance(declaration.serializer, type) else made
    only = kind == "updated" and declaration.only_changed
    names = changed if only else declaration.fields
    return {**key, **{name: _value(declaration.model, instance, name) for name in names}}


def _value(model: type[Model], instance: Any, name: str) -> Any:
    field = cast(Any, field_of(model, name))
    if field is None:
        raise LookupError(f"{model.__name__} has no field {name!r}")
    if field.many_to_many:
        return list(getattr(instance, name).order_by("pk").values_list("pk", flat=True))
    value = getattr(instance, field.attname)
    return value.name if isinstance(value, File) else _as_read(field, value)


def _as_read(field: Any, value: Any) -> Any:
    """A value as the database gives it: an instance still has what it was given, as "3" for 3."""
    if value is None:
        return None
    try:
        value = field.to_python(value)
        if isinstance(field, DecimalField):
            places = Decimal(1).scaleb(-field.decimal_places)
            value = value.quantize(places, context=field.context)
    # A field of a package may have ideas of its own; the row is announced all the same.
    except (ValidationError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        pass
    return value
