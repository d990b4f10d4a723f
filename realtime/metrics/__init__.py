"""What happened in this process, as counters, and how things stand, as plain numbers."""

from .counters import counts, snapshot

__all__ = ["counts", "snapshot"]
