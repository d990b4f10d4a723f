"""Checks of recovery's options, on the site and on its consumers."""

from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from ..conf import settings
from ..recovery.options import KEYS, OF_SITE, combined
from ..routing import registered
from .rules import COUNT, EVENT, TIME, TIME_OR_NONE, Rule

#: The rule of each key.
RULES: Mapping[str, Rule] = {
    "WINDOW": TIME,
    "MAX_EVENTS": COUNT,
    "MAX_BYTES": COUNT,
    "HISTORY": TIME_OR_NONE,
    "MAX_RETAINED": COUNT,
    "RETAIN_FOR": TIME,
    "MAX_SESSIONS": COUNT,
    "MAX_MEMORY": COUNT,
    "RESYNC_EVENT": EVENT,
}


def faults(value: Any) -> list[str]:
    """What is wrong with a dict of options, in words."""
    if not isinstance(value, Mapping):
        return [f"it can't be {value!r}: it must be a dict"]
    unknown = [f"it has the unknown key {key!r}" for key in value if key not in KEYS]
    wrong = [
        f"its {key} can't be {value[key]!r}: it must be {rule.says}"
        for key, rule in RULES.items()
        if key in value and not rule.holds(value[key])
    ]
    return [*unknown, *wrong]


def check_consumers() -> list[CheckMessage]:
    """What consumers say of their recovery."""
    return [
        Error(
            f"The attribute `recovery` of {consumer.__qualname__}, at {route!r}: {fault}.",
            hint=f"It must be True, False, None, or a dict with any of {', '.join(_own())}.",
            id="realtime.E034",
        )
        for route, consumer in registered()
        if not (consumer.recovery is None or isinstance(consumer.recovery, bool))
        for fault in _faults_of_consumer(consumer.recovery)
    ]


def check_rules() -> list[CheckMessage]:
    """Rooms that are to give those who join their history, where none is kept."""
    return [
        Error(
            f"{rule.name} has `history=`, but nothing is logged in the namespace {route!r}.",
            hint='Turn recovery on: REALTIME = {"RECOVERY": {}}, or `recovery = True` in the'
            " consumer.",
            id="realtime.E035",
        )
        for route, consumer in registered()
        for rule in consumer.room_rules
        if rule.options.history is not None
        and isinstance(consumer.recovery, bool | None)
        and combined(settings.RECOVERY, consumer.recovery) is None
    ]


def check_store(backend: str) -> list[CheckMessage]:
    """For production: recovery on a layer of several processes that is none of channels_redis'."""
    said = [None, *(consumer.recovery for _, consumer in registered())]
    if not any(combined(settings.RECOVERY, of) for of in said):
        return []
    return [
        Warning(
            f"Recovery keeps what clients missed in the memory of each process, because {backend!r}"
            " is not a layer of channels_redis. A client that comes back to another process, or"
            " after a restart, is not recovered.",
            hint="Use a layer of channels_redis, on Redis or on Valkey. Silence this check if the"
            " site has one process, or if it is enough that clients load everything again.",
            id="realtime.W027",
        )
    ]


def _own() -> list[str]:
    return sorted(key for key in KEYS if key not in OF_SITE)


def _faults_of_consumer(value: Any) -> list[str]:
    found = faults(value)
    if isinstance(value, Mapping):
        found += [
            f"{key} can only be set for the whole site, in REALTIME['RECOVERY']"
            for key in OF_SITE & value.keys()
        ]
    return found
