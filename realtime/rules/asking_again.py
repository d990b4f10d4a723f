"""What rules and permissions say by now of clients that are in; many of them at a time."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError

from ..aio.calls import run_for_truth
from ..exceptions import EventError
from ..logs import facts, failed
from ..metrics.counters import count
from ..node.threads import lanes
from ..server.handling import DELIBERATE, announce, as_event_error
from ..signals import event_failed
from .asking import Admission, ask_async, ask_in_thread, find, refresh_users
from .spoken import JOIN

logger = logging.getLogger("realtime.rules")

#: Seconds that an `async def` rule or permission has when it is asked again. A plain one holds a
#: thread, which can't be taken from it.
PATIENCE = 30.0
#: The database can't be reached: nothing is known of what the rule would say.
UNREACHABLE = (OperationalError, InterfaceError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of asking: `error` tells a client who is in why it no longer is; None is a yes."""

    error: EventError | None = None
    #: Whether nobody can say, because the database can't be reached.
    is_unknown: bool = False


YES = Verdict()
NO = Verdict(EventError("You may no longer be in this room.", code="forbidden"))
FAILED = Verdict(EventError("The rule of this room failed.", code="internal"))
UNKNOWN = Verdict(is_unknown=True)


async def ask_again(admissions: Sequence[Admission]) -> list[Verdict]:
    """What is to be said of clients that are in, by now; whatever goes wrong, it is said."""
    lane = lanes().acquire()
    try:
        verdicts: list[Any] = await sync_to_async(_ask_all_plain)(admissions)
        for number, admission in enumerate(admissions):
            if not isinstance(verdicts[number], Verdict):
                instance = verdicts[number]
                verdicts[number] = await _verdict(admission, instance)
        return verdicts
    except UNREACHABLE:
        return [UNKNOWN] * len(admissions)
    finally:
        lanes().release(lane)


def _ask_all_plain(admissions: Sequence[Admission]) -> list[Any]:
    """In one go: the users, the instances, and what plain rules say.

    For a rule that is async there is the instance, or None, instead of a verdict.
    """
    refresh_users({admission.consumer for admission in admissions})
    instances: dict[Any, Any] = {}
    return [_first_say(admission, instances) for admission in admissions]


def _first_say(admission: Admission, instances: dict[Any, Any]) -> Any:
    rule, consumer = admission.rule, admission.consumer
    if rule is None:
        return None
    try:
        key = (rule, tuple(admission.kwargs.items()))
        if rule.model is None or key not in instances:  # it may depend on the consumer
            instances[key] = find(consumer, rule, admission.kwargs)
        if rule.options.model is not None and instances[key] is None:
            return NO
        if rule.is_async:
            return instances[key]
        return YES if ask_in_thread(consumer, rule, admission.kwargs, instances[key]) else NO
    except UNREACHABLE:
        return UNKNOWN
    except DELIBERATE as refused:
        return Verdict(as_event_error(refused))
    except Exception as error:
        return _Failure(error)


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Exception


async def _verdict(admission: Admission, found: Any) -> Verdict:
    """What an async rule says, or the permissions of a namespace."""
    try:
        if isinstance(found, _Failure):
            raise found.error
        async with asyncio.timeout(PATIENCE):
            return await _say(admission, found)
    except UNREACHABLE:
        return UNKNOWN
    except DELIBERATE as refused:
        return Verdict(as_event_error(refused))
    except Exception as error:
        await _report(admission, error)
        return FAILED


async def _say(admission: Admission, instance: Any) -> Verdict:
    consumer, rule = admission.consumer, admission.rule
    if rule is None:
        for permission in consumer.permission_instances:
            if not await run_for_truth(permission.may_connect, consumer):
                return Verdict(EventError(permission.message, code=permission.code))
        return YES
    return YES if await ask_async(consumer, rule, admission.kwargs, instance) else NO


async def _report(admission: Admission, error: Exception) -> None:
    """As an error of the handler of `room:join`, which asked the rule first."""
    consumer, rule = admission.consumer, admission.rule
    count("rules.failed")
    about = facts(sid=consumer.sid, namespace=consumer.namespace, user=consumer.user, event=JOIN)
    what = "a permission" if rule is None else rule.name
    failed(
        logger,
        "%s raised when it was asked again whether %s may stay: the client is out",
        what,
        consumer.sid,
        extra=about,
    )
    args = [] if rule is None else [admission.kwargs]
    await announce(consumer, event_failed, event=JOIN, args=args, exception=error)
