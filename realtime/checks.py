"""System checks: what a newcomer gets wrong, with what to change."""

from typing import Any

from django.apps.config import AppConfig
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from . import client_script
from .asgi import RealtimeApplication
from .conf import DEFAULTS, settings

IN_MEMORY = "channels.layers.InMemoryChannelLayer"


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """All checks of realtime; each has an entry in docs/checks.md."""
    return [
        *_check_keys(),
        *_check_daphne(),
        *_check_layer(),
        *_check_application(),
        *_check_client(),
    ]


def _check_keys() -> list[CheckMessage]:
    value = getattr(django_settings, "REALTIME", {})
    if not isinstance(value, dict):
        return [
            Error(
                "REALTIME is not a dict.",
                hint=f"It is a dict with the keys {', '.join(sorted(DEFAULTS))}.",
                id="realtime.E003",
            )
        ]
    return [
        Error(
            f"REALTIME has the unknown key {key!r}.",
            hint=f"The keys are {', '.join(sorted(DEFAULTS))}.",
            id="realtime.E004",
        )
        for key in value
        if key not in DEFAULTS
    ]


def _check_daphne() -> list[CheckMessage]:
    apps = [_app_name(entry) for entry in django_settings.INSTALLED_APPS]
    if "daphne" not in apps:
        return [
            Warning(
                "daphne is not in INSTALLED_APPS, so `runserver` serves no sockets.",
                hint='Put "daphne" first in INSTALLED_APPS, or serve the site with another ASGI'
                " server such as uvicorn and silence this check.",
                id="realtime.W001",
            )
        ]
    staticfiles = "django.contrib.staticfiles"
    if staticfiles in apps and apps.index(staticfiles) < apps.index("daphne"):
        return [
            Error(
                "daphne comes after django.contrib.staticfiles in INSTALLED_APPS, whose `runserver`"
                " serves no sockets.",
                hint='Put "daphne" first in INSTALLED_APPS.',
                id="realtime.E005",
            )
        ]
    return []


def _app_name(entry: str) -> str:
    return AppConfig.create(entry).name


def _check_layer() -> list[CheckMessage]:
    layers = getattr(django_settings, "CHANNEL_LAYERS", {})
    alias = settings.CHANNEL_LAYER
    if alias not in layers:
        return [
            Warning(
                f"CHANNEL_LAYERS has no {alias!r}: events reach the clients of one process only.",
                hint="For development, one with the backend"
                f" {IN_MEMORY!r}; for more than one process, one of channels_redis.",
                id="realtime.W002",
            )
        ]
    if layers[alias].get("BACKEND") == IN_MEMORY and not django_settings.DEBUG:
        return [
            Warning(
                "The in-memory channel layer is used with DEBUG off: events from other processes,"
                " such as workers and commands, reach nobody.",
                hint="Configure channels_redis in CHANNEL_LAYERS.",
                id="realtime.W003",
            )
        ]
    return []


def _check_client() -> list[CheckMessage]:
    if (client_script.FOLDER / "socket.io.min.js").exists():
        return []
    return [
        Warning(
            "The stock Socket.IO client is missing from this installation of realtime.",
            hint="Install a wheel that `make wheel` built, or run `make setup` in the checkout.",
            id="realtime.W004",
        )
    ]


def _check_application() -> list[CheckMessage]:
    name = getattr(django_settings, "ASGI_APPLICATION", None)
    if not name:
        return [
            Error(
                "ASGI_APPLICATION is not set.",
                hint='Set it to your project\'s, for instance "mysite.asgi.application".',
                id="realtime.E001",
            )
        ]
    try:
        application = import_string(name)
    except ImportError as error:
        return [
            Error(
                f"ASGI_APPLICATION = {name!r} can't be imported: {error}.",
                hint="It names the variable `application` of your project's asgi.py.",
                id="realtime.E001",
            )
        ]
    if _is_ours(application):
        return []
    return [
        Error(
            f"ASGI_APPLICATION = {name!r} does not serve Socket.IO.",
            hint="In your asgi.py: `from realtime.asgi import get_asgi_application`. Wrapped in an"
            " application of your own, give that an attribute `realtime` with ours.",
            id="realtime.E002",
        )
    ]


def _is_ours(application: Any) -> bool:
    return isinstance(application, RealtimeApplication) or isinstance(
        getattr(application, "realtime", None), RealtimeApplication
    )
