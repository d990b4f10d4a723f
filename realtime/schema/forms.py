"""Django's forms as annotations of a parameter: the handler gets the form, bound and valid."""

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.files.uploadedfile import SimpleUploadedFile

from .containers import faults_of
from .definitions import Definitions, Schema
from .faults import Invalid, must_be
from .kinds import Kind


class Bound(Kind):
    """A kind whose check may ask the database, and so runs in a worker thread."""

    def load_for(self, value: Any, consumer: Any) -> Any:
        raise NotImplementedError


def split(value: Any) -> tuple[dict[str, Any], dict[str, SimpleUploadedFile]]:
    """What a client sent as a form's data and files; a file is what came as binary data."""
    if not isinstance(value, dict):
        raise must_be("an object", value)
    data = {key: item for key, item in value.items() if not isinstance(item, bytes)}
    files = {
        key: SimpleUploadedFile(str(key), item)
        for key, item in value.items()
        if isinstance(item, bytes)
    }
    return data, files


class FormKind(Bound):
    def __init__(self, form: type[forms.BaseForm]) -> None:
        self._form = form

    def load_for(self, value: Any, consumer: Any) -> Any:
        data, files = split(value)
        form = self._form(data, files)  # type: ignore[arg-type]
        _write_texts(form, data)
        if not form.is_valid():
            raise Invalid(
                *(
                    fault if field == NON_FIELD_ERRORS else fault.under(field)
                    for field, errors in form.errors.items()
                    for error in errors.as_data()
                    for fault in faults_of(error)
                )
            )
        return form

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return definitions.refer(self._form, self._form.__name__, self._object)

    def _object(self) -> Schema:
        fields = self._form.base_fields  # type: ignore[attr-defined]
        required = [name for name, field in fields.items() if field.required]
        properties = {name: _schema_of(field) for name, field in fields.items()}
        schema: Schema = {"type": "object", "properties": properties}
        return schema | ({"required": required} if required else {})


#: What takes a value for a text without a look: a browser sends nothing else.
_TEXTS = (forms.DateField, forms.DateTimeField, forms.GenericIPAddressField, forms.TimeField)
#: The same for what can be the key of a dict.
_KEYS = (forms.NullBooleanField,)


def _write_texts(form: forms.BaseForm, data: dict[str, Any]) -> None:
    """Let fields say that a value is no date, say, that would raise for what is no text."""
    for name, field in form.fields.items():
        key = form.add_prefix(name)
        _write_text(field, key, data)
        if isinstance(field, forms.MultiValueField):
            for number, part in enumerate(field.fields):
                _write_text(part, f"{key}_{number}", data)


def _write_text(field: forms.Field, key: str, data: dict[str, Any]) -> None:
    value = data.get(key)
    odd = (dict, list) if isinstance(field, _KEYS) else (dict, list, int, float)
    if isinstance(value, odd) and isinstance(field, _TEXTS + _KEYS):
        data[key] = str(value)


#: The first that fits: Django's own fields inherit from each other. The options of a choice are
#: left out, as they may come out of the database.
_FIELDS: tuple[tuple[Any, Schema], ...] = (
    (forms.BooleanField, {"type": "boolean"}),
    (forms.DecimalField, {"type": ["string", "number"]}),
    (forms.FloatField, {"type": ["number", "string"]}),
    (forms.IntegerField, {"type": ["integer", "string"]}),
    (forms.FileField, {"type": "string", "format": "binary"}),
    (forms.JSONField, {}),
    (
        (forms.MultipleChoiceField, forms.ModelMultipleChoiceField),
        {"type": "array", "items": {"type": ["string", "number"]}},
    ),
    ((forms.ChoiceField, forms.ModelChoiceField), {"type": ["string", "number", "boolean"]}),
)


def _schema_of(field: forms.Field) -> Schema:
    found = next((schema for kind, schema in _FIELDS if isinstance(field, kind)), None)
    schema = {"type": "string"} if found is None else found
    longest = getattr(field, "max_length", None)
    if longest is not None and schema == {"type": "string"}:
        schema = schema | {"maxLength": longest}
    if field.required or "type" not in schema:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}
