"""The events of announced models, for descriptions of a namespace: `manage.py realtime schema`."""

from collections.abc import Iterator
from typing import Any, cast

from django.db import models

from ..schema.annotations import Reader
from ..schema.containers import array_of
from ..schema.definitions import Definitions, Schema
from ..schema.emits import Emitted
from ..schema.kinds import ANYTHING, Kind
from ..schema.serializers import SerializerKind, is_serializer
from ..schema.signatures import resolve
from .declarations import KINDS, Declaration, declared, field_of

_SCHEMAS: tuple[tuple[Any, Schema], ...] = (
    (models.BooleanField, {"type": "boolean"}),
    (models.IntegerField, {"type": "integer"}),
    (models.FloatField, {"type": "number"}),
    (models.DateTimeField, {"type": "string", "format": "date-time"}),
    (models.DateField, {"type": "string", "format": "date"}),
    (models.TimeField, {"type": "string", "format": "time"}),
    (models.UUIDField, {"type": "string", "format": "uuid"}),
    (models.BinaryField, {"type": "string", "format": "binary"}),
    (models.JSONField, {}),
    (
        (
            models.CharField,
            models.DecimalField,
            models.DurationField,
            models.FileField,
            models.GenericIPAddressField,
            models.TextField,
        ),
        {"type": "string"},
    ),
)


def emitted_in(namespace: str) -> Iterator[Emitted]:
    """What models announce in a namespace; one that depends on the row is none that is known."""
    for declaration in declared():
        if declaration.namespace == namespace:
            for kind in KINDS:
                if kind in declaration.on:
                    event = f"{declaration.event}:{kind}"
                    yield Emitted(event, (_kind(declaration, kind),))


def _kind(declaration: Declaration, kind: str) -> Kind:
    if kind == "deleted":
        return RowKind(declaration, (), "Key")
    if declaration.serializer is not None:
        return _serialized(declaration.serializer)
    if kind == "updated" and declaration.only_changed:
        return RowKind(declaration, declaration.fields, "Changes", is_partial=True)
    return RowKind(declaration, declaration.fields, "")


def _serialized(serializer: Any) -> Kind:
    if is_serializer(serializer):
        return SerializerKind(serializer)
    answer = getattr(serializer, "__annotations__", {}).get("return")
    if answer is None:
        return ANYTHING
    try:
        return Reader().kind(resolve(answer, serializer, type(None)))
    except Exception:  # it is a description only, and may be any expression
        return ANYTHING


class RowKind(Kind):
    """An object with the primary key and some fields of a row."""

    def __init__(
        self,
        declaration: Declaration,
        fields: tuple[str, ...],
        suffix: str,
        *,
        is_partial: bool = False,
    ) -> None:
        self._model = declaration.model
        self._fields = fields
        self._is_partial = is_partial
        words = declaration.event.replace("_", " ").title().replace(" ", "")
        is_default = declaration.event == self._model._meta.model_name
        self._name = (self._model.__name__ if is_default else words) + suffix

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        key = (self._model, self._fields, self._is_partial)
        return definitions.refer(key, self._name, self._object)

    def _object(self) -> Schema:
        pk = cast(Any, self._model._meta.pk)
        fields = {pk.name: pk}
        fields |= {name: field_of(self._model, name) for name in self._fields}
        return {
            "type": "object",
            "properties": {name: _schema_of(field) for name, field in fields.items()},
            "required": [pk.name] if self._is_partial else list(fields),
        }


def _schema_of(field: Any) -> Schema:
    if field is None:
        return {}
    if field.many_to_many:
        return {"type": "array", "items": _schema_of(field.related_model._meta.pk)}
    if isinstance(field, models.CompositePrimaryKey):
        return array_of([_schema_of(part) for part in field.fields])
    if isinstance(field, models.GeneratedField):
        return _schema_of(field.output_field)
    if isinstance(field, models.ForeignKey):
        schema = _schema_of(field.target_field)
    else:
        schema = next((schema for kinds, schema in _SCHEMAS if isinstance(field, kinds)), {})
    return {"anyOf": [schema, {"type": "null"}]} if field.null and schema else schema
