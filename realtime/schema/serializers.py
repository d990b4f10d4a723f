"""Serializers of Django REST framework as annotations: the handler gets the serializer, valid."""

import itertools
import sys
from collections.abc import Iterator
from typing import Any

from ..exceptions import MAX_FAULTS
from .definitions import Definitions, Schema
from .faults import Fault, Invalid
from .forms import Bound, split


def is_serializer(annotation: Any) -> bool:
    framework = sys.modules.get("rest_framework.serializers")
    return (
        framework is not None
        and isinstance(annotation, type)
        and issubclass(annotation, framework.BaseSerializer)
    )


class SerializerKind(Bound):
    def __init__(self, serializer: Any) -> None:
        self._serializer = serializer

    def load_for(self, value: Any, consumer: Any) -> Any:
        data, files = split(value)
        serializer = self._serializer(data=data | files, context={"consumer": consumer})
        if not serializer.is_valid():
            raise Invalid(*itertools.islice(_faults(serializer.errors), MAX_FAULTS))
        return serializer

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return _schema_of(self._serializer(), definitions, sent=sent)


def _faults(errors: Any) -> Iterator[Fault]:
    """Those of the framework's errors: texts with a code in lists and dicts."""
    from rest_framework.settings import api_settings

    if isinstance(errors, str):
        yield Fault(str(errors), getattr(errors, "code", None) or "invalid")
    elif isinstance(errors, dict):
        for key, inner in errors.items():
            whole = key == api_settings.NON_FIELD_ERRORS_KEY
            yield from (fault if whole else fault.under(key) for fault in _faults(inner))
    else:
        for index, inner in enumerate(errors):
            nested = not isinstance(inner, str)
            yield from (fault.under(index) if nested else fault for fault in _faults(inner))


def _schema_of(field: Any, definitions: Definitions, *, sent: bool) -> Schema:
    from rest_framework import serializers

    if isinstance(field, serializers.ListSerializer | serializers.ListField):
        return {"type": "array", "items": _schema_of(field.child, definitions, sent=sent)}
    if isinstance(field, serializers.ManyRelatedField):
        return {"type": "array", "items": {"type": ["string", "number"]}}
    if isinstance(field, serializers.DictField):
        values = _schema_of(field.child, definitions, sent=sent)
        return {"type": "object", "additionalProperties": values}
    if isinstance(field, serializers.Serializer):
        cls = type(field)
        return definitions.refer(
            (cls, sent), cls.__name__, lambda: _object(field, definitions, sent=sent)
        )
    return _simple(field, sent=sent)


def _object(serializer: Any, definitions: Definitions, *, sent: bool) -> Schema:
    properties, required = {}, []
    for name, field in serializer.fields.items():
        if field.write_only if sent else field.read_only:
            continue
        schema = _schema_of(field, definitions, sent=sent)
        if field.allow_null and schema:
            schema = {"anyOf": [schema, {"type": "null"}]}
        properties[name] = schema
        if sent or field.required:
            required.append(name)
    made: Schema = {"type": "object", "properties": properties}
    return made | ({"required": required} if required else {})


def _simple(field: Any, *, sent: bool) -> Schema:
    from rest_framework import serializers

    schemas: tuple[tuple[Any, Schema], ...] = (
        (serializers.BooleanField, {"type": "boolean"}),
        (serializers.IntegerField, {"type": "integer"}),
        (serializers.FloatField, {"type": "number"}),
        (serializers.DecimalField, {"type": ["string", "number"]}),
        (serializers.DateTimeField, {"type": "string", "format": "date-time"}),
        (serializers.DateField, {"type": "string", "format": "date"}),
        (serializers.TimeField, {"type": "string", "format": "time"}),
        (serializers.UUIDField, {"type": "string", "format": "uuid"}),
        (
            serializers.FileField,
            {"type": "string"} if sent else {"type": "string", "format": "binary"},
        ),
        (
            serializers.MultipleChoiceField,
            {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
        ),
        (serializers.ChoiceField, {"type": ["string", "number", "boolean"]}),
        (serializers.CharField, {"type": "string"}),
        (serializers.SlugRelatedField, {"type": "string"}),
        (serializers.PrimaryKeyRelatedField, {"type": ["string", "number"]}),
    )
    return next((schema for kind, schema in schemas if isinstance(field, kind)), {})
