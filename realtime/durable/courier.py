"""Sends durable emits: right after the commit, and later what that left over.

Every process may send any row, so that one that is gone costs nothing. To send a row is to hold its
lease: a conditional UPDATE of `due_at`, which all databases have. Rows are not locked with SKIP
LOCKED: who skips what another holds takes a later event of a room for its next one. Here it is
seen, and holds up what comes after it for the same addressees, until it is sent or dead.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ..conf import settings
from ..exceptions import EmitError
from ..logs import brief, facts
from ..metrics.counters import count
from ..node import current
from ..node.emissions import Emission
from . import rows
from .models import DurableEmit

logger = logging.getLogger("realtime.durable")

#: Rows of one query.
BATCH = 500
#: Rows that one round looks at; those behind them wait for these.
MOST = 5_000
#: Seconds before the next attempt, at most: where nothing can be sent, and where one event can't.
LONGEST_PAUSE = {True: 10, False: 300}


@dataclass(kw_only=True, slots=True)
class Tally:
    """What a round did."""

    sent: int = 0
    failed: int = 0


class Taken:
    """The addressees of rows that wait for something."""

    def __init__(self) -> None:
        self._taken: dict[str, set[str] | None] = {}

    def has(self, namespace: str, to: tuple[str, ...] | None) -> bool:
        taken = self._taken.get(namespace, set())
        return taken is None or (bool(taken) if to is None else not taken.isdisjoint(to))

    def add(self, namespace: str, to: tuple[str, ...] | None) -> None:
        taken = self._taken.setdefault(namespace, set())
        if to is None or taken is None:
            self._taken[namespace] = None
        else:
            taken.update(to)


def keep(emission: Emission, using: str) -> None:
    """Write an emission into the transaction of a database, to be sent when that commits."""
    row = rows.write(emission, using)

    # A function, not a partial: Django logs the __qualname__ of a robust hook that raised.
    def send() -> None:
        try:
            _hand_on(row, emission, using)
        except Exception as error:  # the row is saved, and it is not its writer's trouble any more
            count("durable.failed")
            logger.warning(
                "the durable event %r was not sent right after its commit, and will be later: %s",
                emission.event,
                brief(error),
                extra=facts(namespace=emission.namespace, event=emission.event),
            )

    transaction.on_commit(send, using=using, robust=True)


def make_round(
    using: str, namespace: str | None = None, stopping: Callable[[], bool] = lambda: False
) -> Tally:
    """Send what is due in a database, the oldest first."""
    tally, taken = Tally(), Taken()
    waiting = _waiting(using)
    if namespace is not None:
        waiting = waiting.filter(namespace=namespace)
    columns = waiting.order_by("pk").values_list("pk", "namespace", "to", "due_at")
    last, seen = 0, 0
    while seen < MOST and (batch := list(columns.filter(pk__gt=last)[:BATCH])):
        last, seen = batch[-1][0], seen + len(batch)
        for pk, its_namespace, to, due_at in batch:
            if stopping():
                return tally
            addressees = its_namespace, rows.rooms_of(to)
            if taken.has(*addressees) or not _claim(using, pk, due_at):
                taken.add(*addressees)
                continue
            row = DurableEmit.objects.using(using).get(pk=pk)
            if _send(row.pk, lambda row=row: rows.read(row), using):  # type: ignore[misc]
                tally.sent += 1
                count("durable.late")
                continue
            tally.failed += 1
            taken.add(*addressees)
    return tally


def _hand_on(row: DurableEmit, emission: Emission, using: str) -> None:
    """Send a row that this process has just committed, unless others are to go before it."""
    pk = row.pk
    if row.due_at <= timezone.now() and not _claim(using, pk, row.due_at):
        return  # the transaction took longer than the lease, and another process was faster
    waiting = _waiting(using).filter(namespace=emission.namespace)
    if _is_held_up(waiting.filter(pk__lt=pk), emission.to):
        waiting.filter(pk=pk).update(due_at=timezone.now())
        # By now what held it up may be sent, by a process that saw nothing to send after it.
        make_round(using, emission.namespace)
    elif (
        _send(pk, lambda: emission, using)
        and waiting.filter(pk__gt=pk, due_at__lte=timezone.now()).exists()
    ):
        make_round(using, emission.namespace)


def _is_held_up(elders: "QuerySet[DurableEmit]", to: tuple[str, ...] | None) -> bool:
    found = list(elders.order_by("pk").values_list("to", flat=True)[:BATCH])
    taken = Taken()
    for column in found:
        taken.add("", rows.rooms_of(column))
    return len(found) == BATCH or taken.has("", to)


def _waiting(using: str) -> "QuerySet[DurableEmit]":
    return DurableEmit.objects.using(using).filter(state=DurableEmit.State.WAITING)


def _claim(using: str, pk: int, due_at: datetime) -> bool:
    """Take the lease of a row that is due, unless another process was faster."""
    now = timezone.now()
    lease = now + timedelta(seconds=settings.DURABLE_LEASE)
    row = _waiting(using).filter(pk=pk, due_at=due_at)
    return due_at <= now and row.update(due_at=lease) == 1


def _send(pk: int, read: Callable[[], Emission], using: str) -> bool:
    """Send a row whose lease this process holds, and write down how that ended."""
    try:
        emission = read()
        current.broadcast(emission)
    except EmitError as error:  # nothing can be sent now: it is not the event's fault
        _put_off(pk, error, using, is_layer=True)
        return False
    except Exception as error:
        _put_off(pk, error, using, is_layer=False)
        return False
    count("durable.sent")
    row = _waiting(using).filter(pk=pk)
    if settings.DURABLE_RETENTION:
        row.update(state=DurableEmit.State.SENT, sent_at=timezone.now(), error="")
    else:
        row.delete()
    return True


def _put_off(pk: int, error: Exception, using: str, *, is_layer: bool) -> None:
    count("durable.failed")
    row = _waiting(using).filter(pk=pk).first()
    if row is None:  # another process took it for left over, and sent it
        return
    attempts = row.attempts + 1
    pause = min(2.0 ** min(row.attempts, 20), LONGEST_PAUSE[is_layer])
    values: dict[str, Any] = {
        "attempts": attempts,
        "error": f"{type(error).__name__}: {brief(error)}".replace("\0", "\\0"),
        "due_at": timezone.now() + timedelta(seconds=pause),
    }
    if is_dead := not is_layer and attempts >= settings.DURABLE_ATTEMPTS:
        values["state"] = DurableEmit.State.DEAD
        count("durable.dead")
    _waiting(using).filter(pk=pk).update(**values)
    logger.log(
        logging.ERROR if is_dead else logging.WARNING,
        "the durable event %r could not be sent, attempt %d%s: %s",
        row.event,
        attempts,
        "; it is given up, until someone retries it in the admin" if is_dead else "",
        brief(error),
        extra=facts(namespace=row.namespace, event=row.event),
    )
