"""The transaction of a test, which never commits: its on-commit hooks, and how it stays open."""

import functools
import logging
from collections.abc import Mapping
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("realtime.testing")


def waiting_hooks() -> dict[str, int]:
    """How many hooks wait, for each database that this thread is connected to."""
    return {
        connection.alias: len(connection.run_on_commit)
        for connection in connections.all(initialized_only=True)
    }


def run_commit_hooks(before: Mapping[str, int]) -> None:
    """Run the hooks beyond those that waited before, and those that they add; each only once."""
    for connection in connections.all(initialized_only=True):
        kept = before.get(connection.alias, 0)
        # Taken off, unlike Django's captureOnCommitCallbacks: an outer block must not run it again.
        while len(connection.run_on_commit) > kept:
            waiting: Any = connection.run_on_commit.pop(kept)
            hook, robust = waiting[1:]  # the stubs know no robust hooks
            try:
                hook()
            except Exception:
                if not robust:
                    raise
                logger.exception("an on-commit hook raised; it is robust, so the next one runs")


def keep_open() -> None:
    """Let this thread's connections stay open as long as they are in a transaction.

    Channels' `database_sync_to_async` closes old connections around each call, and takes one in a
    transaction for old: the test's rows would be gone. Django's test client keeps that from its own
    requests, too.
    """
    for connection in connections.all(initialized_only=True):
        if "close_if_unusable_or_obsolete" not in vars(connection):
            connection.close_if_unusable_or_obsolete = functools.partial(  # type: ignore[method-assign]
                _close_outside_of_transactions, connection
            )


def _close_outside_of_transactions(connection: BaseDatabaseWrapper) -> None:
    if not connection.in_atomic_block:
        type(connection).close_if_unusable_or_obsolete(connection)
