"""What the rooms of model instances are called, for those who may see the instances."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import Model

from ...node import rooms
from .urls import PageURLs

#: What a query raises if a string can't be a primary key of the model, by the kind of its field.
NO_KEY = (DataError, OverflowError, ValidationError, ValueError)


def titles(names: Iterable[str], to: PageURLs) -> dict[str, str]:
    """{room: its instance as text}, of those that may be seen; one query for each model."""
    wanted: dict[str, list[str]] = {}
    for name in names:
        label, colon, pk = name.removeprefix(rooms.RESERVED).partition(":")
        if name.startswith(rooms.RESERVED) and colon:
            wanted.setdefault(label, []).append(pk)
    found: dict[str, str] = {}
    for label, pks in wanted.items():
        model = to.visible_model(label)
        if model is not None:
            found |= {rooms.of_instance(instance): str(instance) for instance in _of(model, pks)}
    return found


def _of(model: type[Model], pks: list[str]) -> list[Model]:
    try:
        return list(model._default_manager.filter(pk__in=pks))
    except NO_KEY:
        return []
