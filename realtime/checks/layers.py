"""Checks of the settings of the channel layer that realtime uses; they connect nowhere."""

from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from ..cluster.isolation import outbox_of_mail
from ..cluster.site import current_site
from ..conf import settings
from . import postgres, redis
from .recovery import check_store

IN_MEMORY = "channels.layers.InMemoryChannelLayer"

Config = dict[str, Any]


def check_layer() -> list[CheckMessage]:
    """In development, too."""
    alias = settings.CHANNEL_LAYER
    entry = _entry()
    if entry is None:
        return [
            Warning(
                f"CHANNEL_LAYERS has no entry {alias!r}: events reach only the clients of the"
                " process that emits them.",
                hint=f"Add one: {IN_MEMORY!r} for development, channels_redis for more than one"
                " process.",
                id="realtime.W002",
            )
        ]
    # In a test, where Django turns DEBUG off before it runs the checks, emits stay in the process.
    in_production = not django_settings.DEBUG and outbox_of_mail() is None
    if entry.get("BACKEND") == IN_MEMORY and in_production:
        return [_in_memory("is used with DEBUG off")]
    return _check_backend(alias, entry)


def is_in_memory() -> bool:
    """Whether the layer reaches no other process, or there is none."""
    entry = _entry()
    return entry is None or entry.get("BACKEND") == IN_MEMORY


def _in_memory(fault: str) -> Warning:
    return Warning(
        f"The in-memory channel layer {fault}: events from other processes, such as workers and"
        " commands, reach no clients.",
        hint="Configure channels_redis in CHANNEL_LAYERS.",
        id="realtime.W003",
    )


def _entry() -> Config | None:
    entry = getattr(django_settings, "CHANNEL_LAYERS", {}).get(settings.CHANNEL_LAYER)
    return entry if isinstance(entry, dict) else None


def _check_backend(alias: str, entry: Config) -> list[CheckMessage]:
    try:
        if str(entry.get("BACKEND")).startswith("channels_postgres."):
            postgres.demand_app()
        backend = import_string(entry.get("BACKEND") or "")
        if not isinstance(redis.hosts(entry), list | tuple):
            raise TypeError("hosts must be a list, even if there is only one")
        if _is(backend, redis.CORE):  # others may connect when they are made
            backend(**entry.get("CONFIG", {}))
        if _is(backend, postgres.LAYER):
            postgres.try_out(backend, entry.get("CONFIG", {}))
    except (ImportError, TypeError, ValueError) as error:
        return [
            Error(
                f"CHANNEL_LAYERS[{alias!r}] can't be used: {error}.",
                hint=f"Set BACKEND to {redis.CORE!r} (pip install channels-redis), for instance,"
                ' and CONFIG to {"hosts": ["redis://127.0.0.1:6379/0"]}. docs/layers.md has'
                " settings for other layers.",
                id="realtime.E007",
            )
        ]
    return []


def _is(backend: Any, name: str) -> bool:
    """Whether it is the class of that name, or a subclass of it."""
    parents = getattr(backend, "__mro__", ())
    return name in [f"{parent.__module__}.{parent.__qualname__}" for parent in parents]


def check_layer_in_production() -> list[CheckMessage]:
    """For a layer that `check_layer` finds nothing wrong with."""
    entry = _entry()
    if entry is None or check_layer():
        return []
    if entry.get("BACKEND") == IN_MEMORY:
        # `check_layer` is silent about it in development, and this is a check for production.
        return [_in_memory("is not suitable for production")]
    backend = import_string(entry["BACKEND"])
    messages = [*_check_relay(), *_check_site()]
    if _is(backend, redis.CORE):
        messages += redis.check_core(entry)
    elif _is(backend, redis.PUBSUB):
        messages += redis.check_pubsub()
    else:
        messages += check_store(entry["BACKEND"])
    if _is(backend, postgres.LAYER):
        messages += postgres.check_cost()
    return messages


def _check_relay() -> list[CheckMessage]:
    if settings.RELAY or "polling" not in settings.TRANSPORTS:
        return []
    return [
        Warning(
            "RELAY is off, but clients may use polling: a request that reaches a process other"
            " than the one that holds its session is refused.",
            hint="Turn REALTIME['RELAY'] on, which costs nothing if sticky sessions work, or"
            ' set REALTIME["TRANSPORTS"] to ["websocket"].',
            id="realtime.W005",
        )
    ]


def _check_site() -> list[CheckMessage]:
    site = current_site()
    if not site.doubt:
        return []
    return [
        Warning(
            f"Another site on the same Redis may get this site's events: {site.doubt}, so another"
            f" site may have the same name, {site.name!r}.",
            hint='Name the site in all of its processes: REALTIME = {"SITE": "shop"}. Silence'
            " this check if no other site uses this Redis.",
            id="realtime.W021",
        )
    ]
