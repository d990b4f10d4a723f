"""Checks of the dict `REALTIME`: its keys, and the value of each."""

import importlib
import importlib.util
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error

from ..authentication.tokens import SOURCES
from ..conf import DEFAULTS
from ..logs import meant
from ..recovery.options import KEYS
from . import recovery
from .rules import (
    COUNT,
    EVENT,
    SHORT_TIME,
    TIME,
    TIME_OR_NONE,
    Rule,
    is_count,
    is_number,
)

TRANSPORTS = ("polling", "websocket")
_path = re.compile(r"(/[^/?#\s]+)+/?")


def _is_rate(value: Any) -> bool:
    return value is None or (is_number(value) and value >= 1)


def _are_transports(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(transport in TRANSPORTS for transport in value)
    )


def _is_parser(value: Any) -> bool:
    if value == "msgpack":
        return importlib.util.find_spec("msgpack") is not None
    return bool(value == "json")


def _is_json_module(value: Any) -> bool:
    try:
        module = importlib.import_module(value)
    except (ImportError, AttributeError, TypeError, ValueError):
        return False
    return callable(getattr(module, "dumps", None)) and callable(getattr(module, "loads", None))


def _are_databases(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(alias in django_settings.DATABASES for alias in value)
    )


def _are_classes(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str | type) for one in value)


def _are_sources(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(source in SOURCES for source in value)


RATE = Rule(says="a number, 1 or more, or None for no limit", holds=_is_rate)

YES_OR_NO = Rule(says="True or False", holds=lambda value: isinstance(value, bool))

RULES: Mapping[str, Rule] = {
    "PATH": Rule(
        says='a path such as "/socket.io/"',
        holds=lambda value: isinstance(value, str) and _path.fullmatch(value) is not None,
    ),
    "TRANSPORTS": Rule(says='a list of "polling", "websocket" or both', holds=_are_transports),
    "PARSER": Rule(says='"json", or "msgpack" (pip install msgpack)', holds=_is_parser),
    "JSON": Rule(
        says="the name of a module with `dumps` and `loads` that can be imported",
        holds=_is_json_module,
    ),
    "CHANNEL_LAYER": Rule(
        says="a key of CHANNEL_LAYERS", holds=lambda value: isinstance(value, str) and value != ""
    ),
    "SITE": Rule(
        says="a name, the same for all processes of the site, or None",
        holds=lambda value: value is None or (isinstance(value, str) and value.strip() != ""),
    ),
    "PING_INTERVAL": TIME,
    "PING_TIMEOUT": TIME,
    "CONNECT_TIMEOUT": TIME,
    "UPGRADE_TIMEOUT": TIME,
    "CLOSE_TIMEOUT": TIME_OR_NONE,
    "DRAIN_DELAY": TIME_OR_NONE,
    "DRAIN_BATCH": COUNT,
    "DRAIN_PAUSE": TIME_OR_NONE,
    "DRAIN_TIMEOUT": TIME_OR_NONE,
    "EMIT_TIMEOUT": TIME,
    "EMIT_FAIL_SILENTLY": YES_OR_NO,
    "CALL_TIMEOUT": TIME,
    "REQUEST_TIMEOUT": SHORT_TIME,
    "RELAY": YES_OR_NO,
    "WEBSOCKET_COMPRESSION": YES_OR_NO,
    "HEARTBEAT_INTERVAL": SHORT_TIME,
    "RESYNC_EVENT": EVENT,
    "RECOVERY": Rule(
        says=f"None, or a dict with any of the keys {', '.join(sorted(KEYS))}",
        holds=lambda value: value is None or not recovery.faults(value),
    ),
    "PRESENCE_GRACE": TIME_OR_NONE,
    "LOGIN_CHECK_INTERVAL": TIME,
    "AUTHENTICATION_CLASSES": Rule(
        says="a list of authentication classes, or of their names", holds=_are_classes
    ),
    "TOKEN_SOURCES": Rule(
        says=f"a list of any of {', '.join(map(repr, SOURCES))}", holds=_are_sources
    ),
    "TOKEN_AGE": TIME,
    "JWT": Rule(says="a dict of options", holds=lambda value: isinstance(value, dict)),
    "THREADS": COUNT,
    "GC_THRESHOLD": Rule(
        says="a whole number from 1 to 1,000,000, or None",
        holds=lambda value: value is None or (is_count(value) and value <= 1_000_000),
    ),
    "MAX_PAYLOAD": COUNT,
    "MAX_ATTACHMENTS": Rule(
        says="a whole number from 1 to 1,000",
        holds=lambda value: is_count(value) and value <= 1_000,
    ),
    "OUTBOX_MESSAGES": COUNT,
    "OUTBOX_BYTES": COUNT,
    "INBOX_EVENTS": COUNT,
    "INBOX_BYTES": COUNT,
    "EVENT_RATE": RATE,
    "PACKET_RATE": RATE,
    "CONNECTION_RATE": RATE,
    "NAMESPACE_RATE": RATE,
    "MAX_NAMESPACES": COUNT,
    "MAX_ROOMS": COUNT,
    "DURABLE_DATABASES": Rule(says="a list of keys of DATABASES", holds=_are_databases),
    "DURABLE_INTERVAL": Rule(
        says="a number of seconds greater than 0, or None for no rounds in processes with a server",
        holds=lambda value: value is None or TIME.holds(value),
    ),
    "DURABLE_LEASE": TIME,
    "DURABLE_ATTEMPTS": COUNT,
    "DURABLE_RETENTION": TIME_OR_NONE,
    "ONCE_CACHE": Rule(
        says="a key of CACHES",
        holds=lambda value: isinstance(value, str) and value in django_settings.CACHES,
    ),
    "ONCE_SECONDS": TIME,
    "ONCE_ANSWER_BYTES": Rule(
        says="a whole number, 0 or more", holds=lambda value: value == 0 or is_count(value)
    ),
    "METRICS_TOKEN": Rule(
        says="a string, or None", holds=lambda value: value is None or isinstance(value, str)
    ),
}


def check_values() -> list[CheckMessage]:
    value = getattr(django_settings, "REALTIME", {})
    if not isinstance(value, dict):
        return [
            Error(
                "REALTIME is not a dict.",
                hint=f"It must be a dict, with any of the keys {', '.join(sorted(DEFAULTS))}.",
                id="realtime.E003",
            )
        ]
    return [*_check_keys(value), *_check_rules(value)]


def _check_keys(value: dict[Any, Any]) -> list[CheckMessage]:
    return [
        Error(
            f"REALTIME has the unknown key {key!r}.",
            hint=f"{_did_you_mean(key)}The keys are {', '.join(sorted(DEFAULTS))}.",
            id="realtime.E004",
        )
        for key in value
        if key not in DEFAULTS
    ]


def _did_you_mean(key: Any) -> str:
    near = meant(str(key).upper(), DEFAULTS)
    return "" if near is None else f"Did you mean {near!r}? "


def _check_rules(value: dict[Any, Any]) -> list[CheckMessage]:
    return [
        Error(
            f"REALTIME[{key!r}] can't be {_shown(key, value[key])}.",
            hint=_hint(key, value[key], rule),
            id="realtime.E006",
        )
        for key, rule in RULES.items()
        if key in value and not rule.holds(value[key])
    ]


def _hint(key: str, value: Any, rule: Rule) -> str:
    if key == "RECOVERY" and isinstance(value, Mapping):
        return f"Problems: {'; '.join(recovery.faults(value))}."
    return f"It must be {rule.says}."


def _shown(key: str, value: Any) -> str:
    # The output of checks ends up in logs.
    is_secret = key in ("METRICS_TOKEN", "JWT")
    return f"of the type {type(value).__name__}" if is_secret else repr(value)
