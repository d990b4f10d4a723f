"""What happens around the handler of one event, in whichever style the handler is written."""

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied
from django.dispatch import Signal
from django.http import Http404

from .. import signals
from ..aio.tasks import is_being_cancelled
from ..exceptions import CallError, ConnectionRefused, EventError, PermissionRefused
from ..logs import brief, facts, failed, meant, shortened
from ..metrics import instruments
from ..metrics.counters import counts
from ..metrics.timings import FAILED, OK, REFUSED
from ..node.threads import lanes
from .acks import Ack

#: Codes of errors that no handler had a part in.
CLIENT_MISTAKES = ("unknown_event", "bad_arguments")
_INTERNAL = EventError("Internal error", code="internal")


class Owner(Protocol):
    """Whose handler runs: a consumer, or what stands for one socket where there is none."""

    @property
    def sid(self) -> str: ...

    @property
    def namespace(self) -> str: ...

    @property
    def user(self) -> Any: ...


class Handler(Protocol):
    """What a style declares for an event."""

    @property
    def event(self) -> str:
        """The event's name in the code, which may not be the client's word for it."""

    @property
    def takes_ack(self) -> bool:
        """Whether the handler has the ack in its own hands."""


H = TypeVar("H", bound=Handler)


#: What code raises to say no, and not because it has a bug.
DELIBERATE = (EventError, Http404, PermissionDenied)
#: What an event is answered with as it is.
REFUSALS = (*DELIBERATE, CallError)


def as_event_error(error: Exception) -> EventError:
    """What the client is told of one of the REFUSALS; of Django's own, as REST framework does."""
    if isinstance(error, EventError):
        return error
    if isinstance(error, CallError):
        return EventError(str(error), code=error.code)
    if isinstance(error, Http404):
        return EventError(_text(error) or "Not found.", code="not_found")
    return PermissionRefused(_text(error) or "You may not do this.")


def as_refusal(error: Exception) -> ConnectionRefused:
    """What a client is told whose connect was answered with an error that is DELIBERATE."""
    if isinstance(error, ConnectionRefused):
        return error
    told = as_event_error(error)
    return ConnectionRefused(told.message, {"code": told.code})


def _text(error: Exception) -> str:
    # Django's resolver raises Http404 with a dict, which is not for clients.
    return str(error) if error.args and not isinstance(error.args[0], dict) else ""


class UnknownEvent(EventError):
    """The client named an event that nothing handles."""

    def __init__(self, name: Any, hint: str = "") -> None:
        super().__init__(f"unknown event {shortened(name)}{hint}", code="unknown_event")


def near(name: Any, known: Iterable[str]) -> str:
    """What to say in development of an unknown event that is much like one of those known."""
    found = meant(name, known) if django_settings.DEBUG and isinstance(name, str) else None
    return "" if found is None else f": did you mean {found!r}?"


def check_arguments(event: str, signature: inspect.Signature, values: tuple[Any, ...]) -> None:
    """Raise EventError unless a function of this signature takes what a client sent."""
    try:
        signature.bind(*values)
    except TypeError as error:
        raise EventError(f"{shortened(event)}: {error}", code="bad_arguments") from None


class Handling:
    """Runs the handlers of one style: in a lane, timed, traced, logged, and never unanswered."""

    def __init__(
        self,
        logger: logging.Logger,
        kind: str | None = None,
        sender: Callable[[Any], type] = type,
    ) -> None:
        self._logger = logger
        #: What metrics know the handlers by; None for the class of their owner.
        self._kind = kind
        #: The sender of signals about an owner.
        self._sender = sender

    async def run(
        self,
        owner: Owner,
        name: Any,
        handler: H | None,
        args: list[Any],
        ack: Ack,
        call: Callable[[Any, Any, H, list[Any], Ack], Awaitable[Any]],
        hint: str = "",
    ) -> None:
        """Call the handler of an event, and answer the client with what it returns or raises.

        `name` is the client's word for the event. `handler` is None where nothing handles it;
        `hint` is what else there is to say then. `call` gets all else, the owner first.
        """
        # Whether somebody wants to know how long it took: the clock is not read for nobody.
        is_watched = instruments.timings is not None or signals.event_handled.receivers
        started = time.perf_counter() if is_watched else 0.0
        outcome = OK
        failed = "the handler of event %s raised, for %s"
        threads = lanes()
        lane = threads.acquire()
        try:
            if handler is None:
                raise UnknownEvent(name, hint)
            if instruments.tracing is None:
                result = await call(owner, name, handler, args, ack)
            else:
                handling = _later(call, owner, name, handler, args, ack)
                result = await instruments.tracing.handle(owner, handler.event, handling)
            if ack.ack_id is not None and not handler.takes_ack:
                failed = "what the handler of event %s returned can't be sent, to %s"
                answer = list(result) if isinstance(result, tuple) else [result]
                if not ack.answer_now(answer):
                    await ack.answer(*answer)
        except REFUSALS as error:
            outcome = REFUSED
            if isinstance(error, UnknownEvent):
                counts["events.unknown"] += 1
                handler = None  # there is none to time
            await self._refuse(owner, name, args, ack, error, as_event_error(error))
        except (Exception, asyncio.CancelledError) as error:
            # A handler's bug costs its client an error, never the connection.
            outcome = FAILED
            if is_being_cancelled():
                raise
            self._log_failure(failed, owner, name)
            await ack.answer(_INTERNAL.as_dict())
            await self._announce_failure(owner, name, args, error)
        else:
            if is_watched:
                seconds = time.perf_counter() - started
                about = {"event": name, "args": args, "result": result, "seconds": seconds}
                await announce(owner, signals.event_handled, sender=self._sender(owner), **about)
        finally:
            threads.release(lane)
            if is_watched and instruments.timings is not None and handler is not None:
                seconds = time.perf_counter() - started
                kind = self._kind or type(owner)
                instruments.timings.handled(kind, handler.event, seconds, outcome)

    async def _refuse(
        self,
        owner: Owner,
        name: Any,
        args: list[Any],
        ack: Ack,
        error: Exception,
        answer: EventError,
    ) -> None:
        # What no handler saw is the client's mistake; the rest the application said on purpose.
        level = logging.WARNING if answer.code in CLIENT_MISTAKES else logging.INFO
        about, logger = _facts(owner, name), self._logger
        logger.log(
            level,
            "event %s of %s failed: %s",
            shortened(name),
            owner.sid,
            brief(answer),
            extra=about,
        )
        try:
            await ack.answer(answer.as_dict())
        except (TypeError, ValueError):
            self._log_failure("the error of event %s can't be sent, to %s", owner, name)
            await ack.answer(_INTERNAL.as_dict())
        await self._announce_failure(owner, name, args, error)

    def _log_failure(self, text: str, owner: Owner, name: Any) -> None:
        about, logger = _facts(owner, name), self._logger
        failed(logger, text, shortened(name), owner.sid, extra=about)

    async def _announce_failure(
        self, owner: Owner, name: Any, args: list[Any], error: BaseException
    ) -> None:
        about = {"event": name, "args": args, "exception": error}
        await announce(owner, signals.event_failed, sender=self._sender(owner), **about)


async def _later(call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Call when awaited: what a handler refuses before its first step belongs in its span."""
    return await call(*args)


async def announce(
    owner: Owner, signal: Signal, *, sender: type | None = None, **facts: Any
) -> None:
    """Send one of the signals about sockets; a receiver that raises changes nothing."""
    if signal.receivers:
        about = {"sid": owner.sid, "namespace": owner.namespace, "user": owner.user}
        await signal.asend_robust(sender or type(owner), **about, **facts)


def _facts(owner: Owner, name: Any) -> dict[str, Any]:
    return facts(sid=owner.sid, namespace=owner.namespace, user=owner.user, event=name)
