"""System checks of what must be delivered, or handled, whatever happens."""

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning

from ..conf import settings
from ..routing import registered
from .layers import is_in_memory

DUMMY = "django.core.cache.backends.dummy.DummyCache"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"


def check_durable() -> list[CheckMessage]:
    """For settings whose values are valid."""
    return [*_check_app(), *_check_cache()]


def _check_app() -> list[CheckMessage]:
    chosen = getattr(django_settings, "REALTIME", {})
    used = sorted(key for key in chosen if key.startswith("DURABLE_"))
    if not used or apps.is_installed("realtime.durable"):
        return []
    return [
        Error(
            f"REALTIME has {used[0]}, but durable emits have no table: emit(durable=True) raises"
            " ImproperlyConfigured.",
            hint='Add "realtime.durable" to INSTALLED_APPS, and run `manage.py migrate`.',
            id="realtime.E011",
        )
    ]


def _check_cache() -> list[CheckMessage]:
    name = next(
        (
            f"{consumer.__name__}.{handler.function.__name__}"
            for _, consumer in registered()
            for handler in consumer.handlers.values()
            if handler.once
        ),
        None,
    )
    backend = django_settings.CACHES[settings.ONCE_CACHE]["BACKEND"]
    if name is None or backend not in (DUMMY, LOCMEM):
        return []
    if backend == LOCMEM and django_settings.DEBUG and is_in_memory():
        return []
    what = (
        "stores nothing"
        if backend == DUMMY
        else "is private to each process, and keeps only 300 entries by default"
    )
    return [
        Warning(
            f"{name} should handle each event only once, but CACHES[{settings.ONCE_CACHE!r}] can't"
            f" remember which events were handled: it {what}.",
            hint="Use a cache that all processes share, and name it in REALTIME['ONCE_CACHE'] if it"
            " is not the default one.",
            id="realtime.W026",
        )
    ]
