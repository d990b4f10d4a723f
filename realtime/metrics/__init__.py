"""Counters of what happened in this process, and numbers for its current state."""

from .counters import counts, snapshot

__all__ = ["counts", "snapshot"]
