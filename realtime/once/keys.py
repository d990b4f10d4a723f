"""What tells a repeat from a new event: a value that the client chose, and whose it is."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.signals import setting_changed

from ..cluster.isolation import is_isolated
from ..cluster.site import current_site
from ..exceptions import BadArguments
from ..node import records, rooms
from ..revocation.users import is_known

#: Characters of a key; a UUID has 36.
MAX_LENGTH = 200

Once = str | Callable[..., Any]
ReadKey = Callable[[Sequence[Any]], str]

_tests = 0


def _another_test() -> None:
    global _tests
    _tests += 1


records.on_begin.append(_another_test)


@functools.cache
def _site() -> str:
    return current_site().name


def _changed(**kwargs: Any) -> None:
    _site.cache_clear()


setting_changed.connect(_changed, dispatch_uid="realtime.once")


def reader(once: Once, parameters: Sequence[str], where: str) -> ReadKey:
    """What reads the key of an event from its arguments. Raises TypeError for what names none.

    `parameters` are the names of the handler's positional ones, and `where` is the handler's.
    """
    if callable(once):
        of = once
        return lambda args: _checked(of(*args), ["once"])
    if not isinstance(once, str):
        raise TypeError(f"{where}: once must be a string or a function, not {once!r}")
    name, *path = once.split(".")
    if name not in parameters:
        raise TypeError(
            f"{where}: once={once!r} must begin with the name of a parameter"
            f" ({', '.join(parameters) or 'it has none'})"
        )
    place = parameters.index(name)

    def read(args: Sequence[Any]) -> str:
        value = args[place] if place < len(args) else None
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else getattr(value, step, None)
        return _checked(value, [name, *path])

    return read


def _checked(key: Any, path: list[str]) -> str:
    """A key as text. Raises BadArguments for what is none."""
    if isinstance(key, int | UUID) and not isinstance(key, bool):
        key = str(key)
    if isinstance(key, str) and 0 < len(key) <= MAX_LENGTH:
        return key
    wanted = f"must be a string of 1 to {MAX_LENGTH} characters, or a whole number"
    raise BadArguments([{"path": path, "message": wanted, "code": "key"}])


def digest(consumer: Any, event: str, key: str) -> str:
    """The name under which an event is remembered, for its own client only."""
    parts = [_site(), consumer.namespace, event, _whose(consumer, key), key]
    if is_isolated():  # what one test sent is no repeat in the next
        records.begin()
        parts.append(str(_tests))
    # Each with its length, so that no two lists are the same text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return f"realtime.once.{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _whose(consumer: Any, key: str) -> str:
    """Who shares what is remembered: the user, or else the session, or else the socket.

    Nobody's sockets have nothing in common from one connection to the next. There a random key is
    its owner's by itself, as nobody else can name it; any other one is the socket's.
    """
    if is_known(consumer.user):
        return f"user {rooms.of_instance(consumer.user)}"
    session = getattr(consumer.scope.get("session"), "session_key", None)
    if session:
        return f"session {session}"
    return "who knows the key" if _is_random(key) else f"socket {consumer.sid}"


def _is_random(key: str) -> bool:
    """Whether it is what `crypto.randomUUID()` makes."""
    try:
        return UUID(key).version == 4
    except ValueError:
        return False
