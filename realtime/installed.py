"""The check that runs where the app itself can't: with "realtime" missing from INSTALLED_APPS."""

from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error

MISSING = '"realtime" is not in INSTALLED_APPS, though this project uses it.'
REMEDY = (
    'Add "realtime" to INSTALLED_APPS: without it no consumers.py is found, and there are neither'
    " checks nor commands."
)


def check_installed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if apps.is_installed("realtime"):
        return []
    return [Error(MISSING, hint=REMEDY, id="realtime.E009")]
