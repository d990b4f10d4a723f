"""Whether a test runs in this process: then nothing leaves it, as Django keeps mail in a list."""

import contextlib
from collections.abc import Iterator
from typing import Any

from django.core import mail

_reaching_out = 0


def outbox_of_mail() -> Any:
    """Django's outbox of mail, which is another list in each test; None where no test runs.

    `setup_test_environment()` makes it: the sign of a test environment that Django documents.
    """
    return getattr(mail, "outbox", None)


def is_isolated() -> bool:
    """Whether this process keeps to itself what it emits and asks."""
    return not _reaching_out and hasattr(mail, "outbox")


@contextlib.contextmanager
def reaching_out() -> Iterator[None]:
    """Let a test use the layer of the settings, in all threads."""
    global _reaching_out
    _reaching_out += 1
    try:
        yield
    finally:
        _reaching_out -= 1
