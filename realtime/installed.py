"""What INSTALLED_APPS says, and the check that runs where the app itself can't: without "realtime"
in it.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.signals import setting_changed

F = TypeVar("F", bound=Callable[..., Any])

MISSING = '"realtime" is not in INSTALLED_APPS, but this project uses it.'
REMEDY = (
    'Add "realtime" to INSTALLED_APPS. Without it, no consumers.py is found, and the checks and'
    " commands are missing."
)


def check_installed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if apps.is_installed("realtime"):
        return []
    return [Error(MISSING, hint=REMEDY, id="realtime.E009")]


def until_apps_change(function: F) -> F:
    """Remember what a function returns, until a test overrides INSTALLED_APPS or the user model.

    For what is asked at each connect, and whose answer Django finds by importing or by walking
    over all apps. Not to be asked before Django is set up.
    """
    remembered = functools.lru_cache(function)

    def forget(*, setting: str, **kwargs: Any) -> None:
        if setting in ("INSTALLED_APPS", "AUTH_USER_MODEL"):
            remembered.cache_clear()

    setting_changed.connect(forget, weak=False)
    return remembered  # type: ignore[return-value]
