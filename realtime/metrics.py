"""What happened in this process, as counters. Reading them is cheap; so is counting."""

import asyncio
from collections import Counter
from typing import Any

from .signals import limit_hit

#: name -> how often, since the process started. Names are dotted: `refused.origin`, `emits`.
counts: Counter[str] = Counter()

_tasks: set[asyncio.Task[Any]] = set()


def count(name: str, n: int = 1) -> None:
    """Add `n` to the counter `name`."""
    counts[name] += n


def report(kind: str, **facts: Any) -> None:
    """Count that a client met one of our limits, and send the signal `limit_hit`.

    To be called on the event loop; receivers run later, in a task of their own.
    """
    count(kind)
    if limit_hit.receivers:
        sending = limit_hit.asend_robust(None, kind=kind, **facts)
        task = asyncio.get_running_loop().create_task(sending)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
