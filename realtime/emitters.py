"""`emit` and `aemit`: from any code, in any thread, in any process of the site."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, transaction
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from .aio.forgotten import noticed
from .conf import settings
from .exceptions import EmitError, SyncEmitInAsyncCode
from .logs import facts
from .metrics.counters import count
from .node import actors, current, emissions, rooms, silence
from .node.actors import Actor
from .node.emissions import Emission
from .recovery import past
from .revocation.users import is_known

logger = logging.getLogger("realtime.emitters")

#: Writes a durable emit into the transaction of a database; set by the app `realtime.durable`.
keep: Callable[[Emission, str], None] | None = None


def emit(
    event: str,
    *args: Any,
    to: Any = None,
    namespace: str = "/",
    skip: Any = (),
    volatile: bool = False,
    retain: str | None = None,
    on_commit: bool = False,
    durable: bool = False,
    using: str | None = None,
    fail_silently: bool | None = None,
) -> None:
    """Emit an event to connected clients, whichever process holds their connections.

    - `event` is the name of the event, and `args` are its arguments: anything that JSON can hold,
      Django's dates, decimals and UUIDs, bytes, dataclasses, pydantic models and msgspec structs.
    - `to` is a room name, a sid, a user, a saved model instance, or a list of them. None is
      everyone in the namespace.
    - `skip` leaves clients out. It takes what `to` takes, a consumer (its client) and a request
      (the page that made it), or a list of them.
    - `volatile` allows the event to be dropped for clients that read too slowly.
    - `retain` is a key of your choice. The event becomes the newest value of that key: clients that
      join later get it at once, slow clients get only the newest. See docs/history.md.
    - `on_commit` sends the event when the transaction of the database `using` commits, and drops it
      if that rolls back. The arguments are encoded at once.
    - `durable` stores the event in the database `using`, in the caller's transaction. After the
      commit it is sent at least once, and clients get `{"durable": id}` as its last argument. It
      needs the app `realtime.durable`; see docs/durable.md.
    - `fail_silently` logs and counts a failure of the channel layer instead of raising it. The
      default is `REALTIME["EMIT_FAIL_SILENTLY"]`. Failures after a commit are never raised.

    Returns when the event has been handed to all processes that need it. Raises TypeError or
    ValueError if something can't be sent, RoomError for an invalid `to` or `skip`, RecoveryError
    for `retain` in a namespace without recovery, SyncEmitInAsyncCode in async code, and
    ChannelLayerError if other processes can't be reached.
    """
    current.refuse_in_async_code("emit")
    request, names = _split(skip)
    actor = None if request is None else _actor(request)
    if durable:
        _keep(event, args, to, namespace, names, volatile, actor, retain, using)
        return
    emission = _encode(event, args, to, namespace, names, volatile, actor, retain)
    if on_commit:
        # robust: an error that nobody foresaw is logged by Django, and the next hook runs.
        transaction.on_commit(_after_commit(emission, fail_silently), using=using, robust=True)
    else:
        _send(emission, fail_silently)


@noticed
async def aemit(
    event: str,
    *args: Any,
    to: Any = None,
    namespace: str = "/",
    skip: Any = (),
    volatile: bool = False,
    retain: str | None = None,
    durable: bool = False,
    using: str | None = None,
    fail_silently: bool | None = None,
) -> None:
    """The same as `emit`, for async code. It has no `on_commit`: transactions are sync in Django.

    A durable event is written in a transaction of its own. Raises as `emit` does.
    """
    request, names = _split(skip)
    actor = None if request is None else await _aactor(request)
    if durable:
        keep_it = sync_to_async(_keep)
        await keep_it(event, args, to, namespace, names, volatile, actor, retain, using)
        return
    emission = _encode(event, args, to, namespace, names, volatile, actor, retain)
    try:
        await current.arun(lambda node: node.broadcast(emission))
    except EmitError as error:
        _failed(emission, error, fail_silently)


def _encode(
    event: str,
    args: tuple[Any, ...],
    to: Any,
    namespace: str,
    skip: tuple[str, ...],
    volatile: bool,
    actor: Actor | None,
    retain: str | None,
) -> Emission:
    if retain is not None:
        past.require(namespace, "retain=")
    return emissions.encode(
        event,
        args,
        namespace=namespace,
        to=rooms.targets(to),
        skip=skip,
        volatile=volatile,
        actor=actor,
        retain=retain,
    )


def _split(skip: Any) -> tuple[Any, tuple[str, ...]]:
    """The request in `skip`, if there is one, and the names of what else is to be left out."""
    if actors.is_request(skip):
        return skip, ()
    if not isinstance(skip, list | tuple | set | frozenset):
        return None, rooms.skipped(skip)
    requests = [item for item in skip if actors.is_request(item)]
    if len(requests) > 1:
        raise TypeError("skip takes only one request: that of the page that caused the event")
    others = [item for item in skip if not actors.is_request(item)]
    return (requests[0] if requests else None), rooms.skipped(others)


def _actor(request: Any) -> Actor | None:
    sids = actors.sids_of(request)
    # Without the header nobody asks who it is: the answer may be two queries away.
    return Actor(sids=sids, user=_room_of(getattr(request, "user", None))) if sids else None


async def _aactor(request: Any) -> Actor | None:
    sids = actors.sids_of(request)
    if not sids:
        return None
    if not isinstance(request, HttpRequest):  # REST framework's authenticates when it is asked
        return await sync_to_async(_actor)(request)
    user = getattr(request, "user", None)
    # A lazy user may be a query away; who was put in its place, by a token say, is known already.
    if type(user) is SimpleLazyObject:
        user = await request.auser()
    return Actor(sids=sids, user=_room_of(user))


def _room_of(user: Any) -> str | None:
    return rooms.of_instance(user) if is_known(user) else None


def _keep(
    event: str,
    args: tuple[Any, ...],
    to: Any,
    namespace: str,
    skip: tuple[str, ...],
    volatile: bool,
    actor: Actor | None,
    retain: str | None,
    using: str | None,
) -> None:
    if keep is None:
        raise ImproperlyConfigured(
            'emit(durable=True) needs a table: add "realtime.durable" to INSTALLED_APPS, and run'
            " manage.py migrate"
        )
    if volatile:
        raise ValueError("a volatile event may be dropped, and a durable one may not: choose one")
    if retain is not None:
        raise ValueError(
            "retain= keeps only the newest value of a key, and durable=True sends every event:"
            " choose one"
        )
    key = str(uuid.uuid4())
    emission = _encode(event, (*args, {"durable": key}), to, namespace, skip, volatile, actor, None)
    keep(replace(emission, durable=key), using or DEFAULT_DB_ALIAS)


def _send(emission: Emission, fail_silently: bool | None) -> None:
    try:
        current.broadcast(emission)
    except SyncEmitInAsyncCode:  # a transaction may commit elsewhere than it emitted
        raise
    except EmitError as error:
        _failed(emission, error, fail_silently)


def _after_commit(emission: Emission, fail_silently: bool | None) -> Callable[[], None]:
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


def _failed(emission: Emission, error: EmitError, fail_silently: bool | None) -> None:
    if fail_silently is None:
        fail_silently = settings.EMIT_FAIL_SILENTLY
    if not fail_silently:
        raise error
    silence.keep(emission, error)
