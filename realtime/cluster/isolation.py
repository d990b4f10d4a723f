"""Whether a test runs in this process: then nothing leaves it, as Django keeps mail in a list."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from django.core import mail

_reaching_out = 0


def outbox_of_mail() -> Any:
    """Django's outbox of mail, which is another list in each test; None where no test runs.

    `setup_test_environment()` makes it: the sign of a test environment that Django documents.
    """
    found = getattr(mail, "outbox", None)
    return found if found is None or _is_set_up() else None


def _is_set_up() -> bool:
    # The outbox alone is no proof: a site whose EMAIL_BACKEND is locmem has one from its first mail
    # on, and would emit no more. Here Django itself looks; tests/test_guards.py watches the name.
    utils = sys.modules.get("django.test.utils")
    if utils is None:
        return False
    state = getattr(utils, "_TestState", None)
    return state is None or hasattr(state, "saved_data")


def is_isolated() -> bool:
    """Whether this process keeps to itself what it emits and asks."""
    return not _reaching_out and outbox_of_mail() is not None


@contextlib.contextmanager
def reaching_out() -> Iterator[None]:
    """Let a test use the layer of the settings, in all threads."""
    global _reaching_out
    _reaching_out += 1
    try:
        yield
    finally:
        _reaching_out -= 1
