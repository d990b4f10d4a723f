"""Which namespaces have recovery, and its bounds: `REALTIME["RECOVERY"]`, or the consumer's own."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from django.core.signals import setting_changed

from ..conf import settings
from ..node.rooms import is_sid

#: What a consumer says of itself: a dict like the setting, True for the setting or its defaults,
#: False for none, and None for what the setting says.
Said = Mapping[str, Any] | bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How far back the clients of a namespace may come. Each field is a key of the setting."""

    #: Seconds within which a client that lost its connection may come back.
    window: float = 120.0
    #: Events that the log of a room, of a namespace, or of a single socket holds at most.
    max_events: int = 10_000
    #: Bytes that such a log takes at most, about.
    max_bytes: int = 8_000_000
    #: Seconds for which events are kept for those who join; less than the window needs is no less.
    history: float = 0.0
    #: Keys of a room whose newest values are retained, and the seconds for which they are.
    max_retained: int = 1_000
    retain_for: float = 86_400.0
    #: Of a site without Redis, in each process: clients that may come back, and bytes of all logs.
    max_sessions: int = 10_000
    max_memory: int = 128_000_000
    #: The event that tells a client that came back that it could not be recovered; None for none.
    resync_event: str | None = None

    #: Seconds that an event is kept for those that come back, which is no key: a connection may be
    #: dead for long before it is given up, and the window begins.
    retention: float = 0.0

    def event_lasts(self, room: str | None) -> float:
        """Seconds that what a room said is kept."""
        return self.retention if _is_socket(room) else max(self.retention, self.history)

    def value_lasts(self, room: str | None) -> float:
        """Seconds that the values of a room are retained."""
        return self.retention if _is_socket(room) else self.retain_for


#: Seconds between two times at which a store is told of sockets that are there.
REFRESH = 15.0
#: Seconds for what takes its time besides.
SLACK = 10.0

KEYS = {f.name.upper(): f.name for f in fields(Options) if f.name != "retention"}
#: Those that concern a whole process.
OF_SITE = frozenset(["MAX_SESSIONS", "MAX_MEMORY"])

#: Asked what the code says of a namespace; set by what knows the consumers.
declared: list[Callable[[str], Said]] = []


@functools.lru_cache(maxsize=10_000)
def options_of(namespace: str) -> Options | None:
    """The options of a namespace; None where its clients can't be recovered."""
    said = next((found for ask in declared if (found := ask(namespace)) is not None), None)
    return combined(settings.RECOVERY, said)


def combined(site: Mapping[str, Any] | None, said: Said) -> Options | None:
    """The options of a consumer on a site; its own word counts, key by key."""
    if said is False or (said is None and site is None):
        return None
    own = said if isinstance(said, Mapping) else {}
    chosen = {**(site or {}), **own}
    found = {KEYS[key]: value for key, value in chosen.items() if key in KEYS}
    found.setdefault("resync_event", settings.RESYNC_EVENT)
    until_gone = settings.PING_INTERVAL + settings.PING_TIMEOUT + REFRESH + SLACK
    options = Options(**found)
    return replace(options, retention=options.window + until_gone)


def limit_of(namespace: str) -> int:
    """How many events may wait for a socket that is told others first."""
    options = options_of(namespace)
    return 0 if options is None else options.max_events


def _is_socket(room: str | None) -> bool:
    """Whether the name is a sid: what is for one socket is of no use without it."""
    return room is not None and is_sid(room)


def of_site() -> Options:
    """The options of the site, or the defaults where it has none."""
    options = combined(settings.RECOVERY, True)
    assert options is not None  # True says so
    return options


def forget() -> None:
    """The settings or the consumers have changed."""
    options_of.cache_clear()


def _changed(*, setting: str, **kwargs: Any) -> None:
    if setting == "REALTIME":
        forget()


setting_changed.connect(_changed, dispatch_uid="realtime.recovery")
