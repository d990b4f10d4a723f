"""System checks for common mistakes. Those for production are in deployment.py."""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from ..asgi import RealtimeApplication
from ..server import client_script
from .authentication import check_authentication
from .durable import check_durable
from .layers import check_layer
from .logins import check_logins
from .recovery import check_consumers, check_rules
from .settings import check_values

#: The lowest versions of pyproject.toml. pip enforces them when realtime is installed, but not for
#: extras, nor for what is installed later. daphne before 4.2.2 has CVE-2026-44545 and
#: CVE-2026-44546.
FLOORS: Mapping[str, str] = {
    "asgiref": "3.13",
    "channels": "4.3.2",
    "channels-redis": "4.3",
    "daphne": "4.2.2",
    "Django": "5.2.19",
    "PyJWT": "2.12",
    "python-engineio": "4.15",
    "python-socketio": "5.18",
    "uvicorn": "0.34",
    "wsproto": "1.2",
}


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """All checks of realtime but those for production; each has an entry in docs/checks.md."""
    wrong = check_values()
    return [
        *wrong,
        *_check_versions(),
        *_check_daphne(),
        *([] if wrong else check_layer()),
        # Importing it makes a server, from these settings.
        *([] if wrong else _check_application()),
        *_check_client(),
        *([] if wrong else check_durable()),
        *check_logins(),
        *([] if wrong else check_authentication()),
        *check_consumers(),
        *check_rules(),
    ]


def _check_versions() -> list[CheckMessage]:
    return [
        Error(
            f"{name} {installed} is installed, but realtime needs {floor} or newer.",
            hint=f'pip install --upgrade "{name}>={floor}"',
            id="realtime.E008",
        )
        for name, floor in FLOORS.items()
        if (installed := _version(name)) and _numbers(installed) < _numbers(floor)
    ]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> list[int]:
    """4.2.3rc1 counts as 4.2.3."""
    found = re.match(r"\d+(\.\d+)*", text)
    return [int(part) for part in found[0].split(".")] if found else []


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


def _check_client() -> list[CheckMessage]:
    if (client_script.FOLDER / "socket.io.min.js").exists():
        return []
    return [
        Warning(
            "The stock Socket.IO client is missing from this installation of realtime.",
            hint="Install realtime again from its wheel. In a checkout of its repository, run"
            " `make setup`.",
            id="realtime.W004",
        )
    ]


def _check_application() -> list[CheckMessage]:
    name = getattr(django_settings, "ASGI_APPLICATION", None)
    if not name:
        return [
            Error(
                "ASGI_APPLICATION is not set.",
                hint='Set it to your project\'s application, such as "mysite.asgi.application".',
                id="realtime.E001",
            )
        ]
    try:
        application = import_string(name)
    except ImportError as error:
        return [
            Error(
                f"ASGI_APPLICATION = {name!r} can't be imported: {error}.",
                hint="It must name the variable `application` in your project's asgi.py.",
                id="realtime.E001",
            )
        ]
    if _is_ours(application):
        return []
    return [
        Error(
            f"ASGI_APPLICATION = {name!r} does not serve Socket.IO.",
            hint="In your asgi.py use `from realtime.asgi import get_asgi_application`. If your"
            " own application wraps the one that it returns, set the attribute `realtime` of"
            " yours to the one that it wraps.",
            id="realtime.E002",
        )
    ]


def _is_ours(application: Any) -> bool:
    return isinstance(application, RealtimeApplication) or isinstance(
        getattr(application, "realtime", None), RealtimeApplication
    )
