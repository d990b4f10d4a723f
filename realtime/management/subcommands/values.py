"""Numbers as people read them."""

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def duration_text(seconds: float) -> str:
    """ "3d 4h", "12m 5s", "8s"."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        if left >= size or parts:
            parts.append(f"{left // size}{unit}")
            left %= size
    return " ".join([*parts, f"{left}s"][:2])


def size_text(size: float) -> str:
    """ "310 B", "12.5 kB", "85.0 MB"."""
    for unit in ("B", "kB", "MB"):
        if size < 1_000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1_000
    return f"{size:.1f} GB"


def age_text(since: datetime) -> str:
    return duration_text((datetime.now(UTC) - since).total_seconds())
