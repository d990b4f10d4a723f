"""System checks of what models announce."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from ..changes.declarations import Declaration, declared, field_of


def check_changes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Declarations of announce_changes that can't work, or say something else than they seem to."""
    return [message for declaration in declared() for message in _check(declaration)]


def _check(declaration: Declaration) -> Iterator[CheckMessage]:
    model = declaration.model
    columns = [*model._meta.concrete_fields, *model._meta.many_to_many]
    for name in declaration.missing_fields:
        yield Error(
            f"{model.__name__} announces a field {name!r}, which it does not have.",
            hint=f"Choose from {', '.join(field.name for field in columns)}. To announce anything"
            " else, use serializer=.",
            obj=model,
            id="realtime.E010",
        )
    rooms = declaration.to
    rooms = [rooms] if isinstance(rooms, str) else () if callable(rooms) else rooms or ()
    for room in rooms:
        if isinstance(room, str) and field_of(model, room) is not None:
            yield Warning(
                f"{model.__name__} announces its changes to a room called {room!r}, and it also"
                " has a field with that name.",
                hint="If you mean the value of the field, use to=lambda instance:"
                f" instance.{room}. If you mean the room, rename it or silence this check.",
                obj=model,
                id="realtime.W025",
            )


def announced_models() -> str:
    """The models that announce their changes, or some of them; empty for none."""
    labels = sorted({declaration.model._meta.label for declaration in declared()})
    return f"{', '.join(labels[:3])}{' ...' if labels[3:] else ''}"
