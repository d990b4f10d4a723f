"""Checks of what a site's sessions let realtime know of logins that end."""

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Warning

from ..revocation import sessions


def check_logins() -> list[CheckMessage]:
    if not apps.is_installed("django.contrib.auth"):
        return []
    engine = django_settings.SESSION_ENGINE
    try:
        if not sessions.are_usable():
            return [_unusable(engine)]
        return [] if sessions.have_a_store() else [_without_store(engine)]
    except ImportError:  # the first page says so
        return []


def _unusable(engine: str) -> CheckMessage:
    return Warning(
        f"The app of SESSION_ENGINE = {engine!r} is not in INSTALLED_APPS, so no client is logged"
        " in: every socket is anonymous.",
        hint='Add "django.contrib.sessions" to INSTALLED_APPS, or silence this check if that is'
        " what you want.",
        id="realtime.W022",
    )


def _without_store(engine: str) -> CheckMessage:
    return Warning(
        f"SESSION_ENGINE = {engine!r} stores sessions only in cookies, so realtime can't tell when"
        " one of them has ended. A log-out closes all sockets of the user, and anyone who kept a"
        " copy of the cookie can connect with it until it expires.",
        hint='Use an engine with a store, such as the default "django.contrib.sessions.backends.db"'
        ", or silence this check.",
        id="realtime.W023",
    )
