"""Rounds of the courier: in each process with a server, and for a command."""

import asyncio
import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import connections
from django.utils import timezone

from ..aio.tasks import Tasks
from ..cluster.isolation import outbox_of_mail
from ..conf import settings
from ..node.followers import Follower
from ..node.node import ServingNode
from .courier import Tally, make_round
from .models import DurableEmit

logger = logging.getLogger("realtime.durable")

#: Seconds between two removals of rows that were sent long ago, and rows that one query removes.
REMOVAL_INTERVAL = 60.0
REMOVAL_BATCH = 500


class Rounds:
    """Makes the rounds of one thread. A database that is away costs one line in the log."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._failing: set[str] = set()
        self._removed_at = 0.0

    @property
    def is_failing(self) -> bool:
        """Whether a database could not be read in the last round."""
        return bool(self._failing)

    def stop(self) -> None:
        """Let the round that is being made end after the row that it is at."""
        self._stopping.set()

    def make(self) -> Tally:
        """Send what is due in all databases, and remove what was sent long ago."""
        tally = Tally()
        is_removing = time.monotonic() - self._removed_at >= REMOVAL_INTERVAL
        for using in settings.DURABLE_DATABASES:
            try:
                done = make_round(using, stopping=self._stopping.is_set)
                tally.sent += done.sent
                tally.failed += done.failed
                if is_removing:
                    remove_sent(using)
                self._failing.discard(using)
            except Exception:  # each database has errors of its own
                # Kept open otherwise: a round a second must not be a connection a second.
                connections[using].close()
                if using not in self._failing and not self._stopping.is_set():
                    self._failing.add(using)
                    logger.exception(
                        "durable emits can't be read from the database %r; they wait there", using
                    )
        if is_removing:
            self._removed_at = time.monotonic()
        return tally


def remove_sent(using: str) -> None:
    """Remove the rows that were sent longer than DURABLE_RETENTION ago."""
    before = timezone.now() - timedelta(seconds=settings.DURABLE_RETENTION)
    found = DurableEmit.objects.using(using)
    old = found.filter(state=DurableEmit.State.SENT, sent_at__lt=before).order_by("sent_at")
    while pks := list(old.values_list("pk", flat=True)[:REMOVAL_BATCH]):
        found.filter(pk__in=pks).delete()


class Courier(Follower):
    """Makes rounds as long as a node runs; it follows no socket."""

    def __init__(self, node: ServingNode) -> None:
        self._rounds = Rounds()
        self._tasks = Tasks()
        # Its own: handlers that hold all threads of the process must not hold up a round.
        self._thread = ThreadPoolExecutor(1, "realtime-courier")

    def start(self) -> None:
        # A test has what it emits in its own transaction, and no thread may hold its database.
        if settings.DURABLE_INTERVAL is not None and outbox_of_mail() is None:
            self._tasks.start(self._make_rounds())

    async def stop(self) -> None:
        if not self._tasks:
            return
        self._rounds.stop()
        # After the row that is being sent, for which this loop is needed.
        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        await self._tasks.end()
        self._thread.shutdown(wait=False)

    async def _make_rounds(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await loop.run_in_executor(self._thread, self._rounds.make)
            # Processes that were started together do not all look at once.
            await asyncio.sleep(settings.DURABLE_INTERVAL * random.uniform(0.8, 1.2))


def install(node: ServingNode) -> None:
    """Let a node send the durable emits that others left over."""
    node.followers.append(Courier(node))
