"""Checks of the layer of channels_postgres; they connect nowhere."""

from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Info

from .changes import announced_models

LAYER = "channels_postgres.core.PostgresChannelLayer"


def demand_app() -> None:
    """Raises ImportError, which importing the layer would not be, but a RuntimeError."""
    if not apps.is_installed("channels_postgres"):
        raise ImportError("'channels_postgres' is not in INSTALLED_APPS")


def try_out(backend: Any, config: dict[str, Any]) -> None:
    """Raises ValueError. Channels takes the KeyError for a layer that is not there, in silence."""
    try:
        backend(**config)
    except KeyError as error:
        raise ValueError(f"CONFIG has no {error}; Django adds it only to DATABASES") from error
    if "channels_postgres" not in django_settings.DATABASES:
        raise ValueError(
            "DATABASES has no entry 'channels_postgres', which the layer uses to leave groups"
        )


def check_cost() -> list[CheckMessage]:
    """Whether there may be more emits than the layer is good for."""
    models = announced_models()
    if not models:
        return []
    return [
        Info(
            f"Each change of {models} is an emit, and {LAYER!r} writes it to PostgreSQL once for"
            " each process that has members of its room.",
            hint="docs/layers.md says how many emits it can carry. If your site has more, use the"
            " pubsub layer of channels_redis. Otherwise silence this check.",
            id="realtime.I002",
        )
    ]
