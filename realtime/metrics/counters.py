"""What happened in this process, as counters, and its present state, as plain numbers.

Reading is cheap; so is counting. Who wants the numbers as a page for Prometheus finds it in
prometheus.py.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from django.dispatch import Signal

from ..aio.tasks import Tasks
from ..signals import limit_hit
from .process import after_fork, memory

#: name -> how often, since the process started. Names are dotted: `refused.origin`, `emits`.
counts: Counter[str] = Counter()
#: Each adds to `snapshot()` what only it knows; a server does while it runs.
sources: list[Callable[[], Mapping[str, float]]] = []

#: Seconds between two looks at the counters that `Rates` reports on, and how many it remembers.
RATE_INTERVAL = 2.0
RATE_LOOKS = 5
RATED = ("events.in", "events.out", "emits")

_tasks = Tasks()


def count(name: str, n: int = 1) -> None:
    """Add `n` to the counter `name`."""
    counts[name] += n


def report(kind: str, **facts: Any) -> None:
    """Count that a client met one of our limits, and send the signal `limit_hit`.

    To be called on the event loop; receivers run later, in a task of their own.
    """
    count(kind)
    announce(limit_hit, kind=kind, **facts)


def announce(signal: Signal, **facts: Any) -> None:
    """Send a signal from plain code on the event loop; receivers run later, in a task."""
    if signal.receivers:
        _tasks.start(signal.asend_robust(None, **facts))


class Rates:
    """How often a second some counters went up, over the last ten seconds or so."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, tuple[int, ...]]] = deque(maxlen=RATE_LOOKS)

    def look(self, now: float) -> None:
        """Remember how the counters stand; to be called every RATE_INTERVAL."""
        self._looks.append((now, tuple(counts[name] for name in RATED)))

    def read(self, now: float) -> dict[str, float]:
        """Each counter's rate since the oldest look."""
        since, before = self._looks[0] if self._looks else (now, (0,) * len(RATED))
        seconds = now - since
        if seconds < RATE_INTERVAL / 2:  # too little to tell
            return dict.fromkeys(RATED, 0.0)
        return {name: (counts[name] - n) / seconds for name, n in zip(RATED, before, strict=True)}

    def clear(self) -> None:
        self._looks.clear()


rates = Rates()

#: What a snapshot says of sockets where there is no server.
_NO_SERVER = dict.fromkeys(
    (
        "connections",
        "connections_polling",
        "connections_websocket",
        "connections_paused",
        "sockets",
        "rooms",
        "namespaces",
        "outbox_messages",
        "outbox_messages_max",
        "outbox_bytes",
        "outbox_bytes_max",
        "inbox_events",
        "inbox_events_max",
        "handlers_running",
        "handlers_lanes",
        "recovery_sessions",
        "recovery_logs",
        "recovery_events",
        "recovery_bytes",
        "healthy",
        "draining",
        "nodes",
        "uptime",
    ),
    0.0,
)


def snapshot() -> dict[str, float]:
    """Return the current state of this process as numbers; docs/metrics.md says what each is.

    Sizes are in bytes and times in seconds. Rates are for one second, averaged over the last ten.
    Can be called from any thread, and takes about a microsecond for each connection.
    """
    numbers = dict(_NO_SERVER)
    for source in tuple(sources):
        numbers |= source()
    rate = rates.read(time.monotonic())
    return numbers | {
        "events_in": counts["events.in"],
        "events_out": counts["events.out"],
        "emits": counts["emits"],
        "events_in_rate": rate["events.in"],
        "events_out_rate": rate["events.out"],
        "emits_rate": rate["emits"],
        "dropped": _total("dropped."),
        "refused": _total("refused."),
        "lost": counts["lost"],
        "layer_errors": counts["layer.errors"],
        "memory": float(memory()),
        "cpu_seconds": time.process_time(),
    }


def _total(prefix: str) -> int:
    return sum(n for name, n in list(counts.items()) if name.startswith(prefix))


def _forget() -> None:
    counts.clear()
    sources.clear()
    rates.clear()


# What the parent counted is the parent's.
after_fork(_forget)
