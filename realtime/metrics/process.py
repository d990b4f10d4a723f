"""What the operating system tells of this process; Windows has none of it."""

import os
from collections.abc import Callable
from pathlib import Path


def after_fork(work: Callable[[], None]) -> None:
    """Call `work` in each child that this process forks; nothing where there is no fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=work)


def memory() -> int:
    """Bytes of memory that this process holds now; 0 where the system has no /proc."""
    try:
        resident = Path("/proc/self/statm").read_text().split()[1]
        return int(resident) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):  # os.sysconf is not on Windows
        return 0
