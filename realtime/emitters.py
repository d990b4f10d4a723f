"""`emit` and `aemit`: from any code, in any thread, in any process of the site."""

import logging
from collections.abc import Callable, Collection
from typing import Any

from django.db import transaction

from .exceptions import ChannelLayerError, EmitError, SyncEmitInAsyncCode
from .logs import facts
from .metrics.counters import count
from .node import current, emissions, rooms
from .node.emissions import Emission

logger = logging.getLogger("realtime.emitters")


def emit(
    event: str,
    *args: Any,
    to: Any = None,
    namespace: str = "/",
    skip: str | Collection[str] = (),
    volatile: bool = False,
    on_commit: bool = False,
    using: str | None = None,
    fail_silently: bool = False,
) -> None:
    """Emit an event to Socket.IO clients, wherever they are connected.

    `args` are the event's arguments: what JSON holds, Django's dates, decimals and UUIDs, and
    bytes. `to` is a room name, a sid, a user, a saved model instance, or a list of them; None is
    everyone in the namespace. `skip` takes sids and names of rooms. With `on_commit` the event
    leaves when the transaction of the database `using` commits, and never if it rolls back; its
    arguments are encoded at once. A volatile event is dropped where a client is not ready to take
    it.

    Returns when the event is on its way to all processes. Raises TypeError or ValueError for what
    can't be sent, SyncEmitInAsyncCode in async code, and ChannelLayerError where other processes
    can't be reached; with `fail_silently` the last is logged and counted instead. So is every
    failure after a commit: what was saved stays saved, and the hooks behind it run.
    """
    emission = _encode(event, args, to, namespace, skip, volatile)
    current.refuse_in_async_code("emit")
    if on_commit:
        # robust: an error that nobody foresaw is logged by Django, and the next hook runs.
        transaction.on_commit(_after_commit(emission, fail_silently), using=using, robust=True)
    else:
        _send(emission, fail_silently)


async def aemit(
    event: str,
    *args: Any,
    to: Any = None,
    namespace: str = "/",
    skip: str | Collection[str] = (),
    volatile: bool = False,
    fail_silently: bool = False,
) -> None:
    """`emit` for async code. Transactions are sync in Django, so there is no `on_commit` here."""
    emission = _encode(event, args, to, namespace, skip, volatile)
    try:
        await current.arun(lambda node: node.broadcast(emission))
    except ChannelLayerError as error:
        _failed(emission, error, fail_silently)


def _encode(
    event: str,
    args: tuple[Any, ...],
    to: Any,
    namespace: str,
    skip: str | Collection[str],
    volatile: bool,
) -> Emission:
    return emissions.encode(
        event, args, namespace=namespace, to=rooms.targets(to), skip=skip, volatile=volatile
    )


def _send(emission: Emission, fail_silently: bool) -> None:
    try:
        current.run(lambda node: node.broadcast(emission), "emit")
    except SyncEmitInAsyncCode:  # a transaction may commit elsewhere than it emitted
        raise
    except EmitError as error:
        _failed(emission, error, fail_silently)


def _after_commit(emission: Emission, fail_silently: bool) -> Callable[[], None]:
    # A function, not a partial: Django logs the __qualname__ of a robust hook that raised.
    def send() -> None:
        try:
            _send(emission, fail_silently)
        except EmitError as error:
            count("emits.failed")
            about = facts(namespace=emission.namespace, event=emission.event)
            logger.error(
                "the event %r was not emitted after its transaction committed: %s",
                emission.event,
                error,
                extra=about,
            )
        except Exception:
            count("emits.failed")
            raise  # to Django, which logs it with its traceback

    return send


def _failed(emission: Emission, error: EmitError, fail_silently: bool) -> None:
    if not fail_silently:
        raise error
    count("emits.silenced")
    about = facts(namespace=emission.namespace, event=emission.event)
    logger.error("emit(fail_silently=True) failed: %s", error, extra=about)
