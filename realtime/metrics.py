"""What happened in this process, as counters. Reading them is cheap; so is counting."""

from collections import Counter

#: name -> how often, since the process started. Names are dotted: `refused.origin`, `emits`.
counts: Counter[str] = Counter()


def count(name: str, n: int = 1) -> None:
    """Add `n` to the counter `name`."""
    counts[name] += n
