"""What operations are told, checked before anything is sent. Raises TypeError and ValueError."""

import math
from enum import Enum
from typing import Any, Final

from ..conf import settings
from ..node import rooms

Body = dict[str, Any]


class Unsaid(Enum):
    """The type of an argument that was left out, where None means something."""

    UNSAID = "unsaid"


UNSAID: Final = Unsaid.UNSAID


def whom(to: Any, namespace: str | None) -> Body:
    """The part of a question that says which sockets it is about."""
    return {"to": rooms.targets(to), "namespace": a_namespace(namespace)}


def a_namespace(namespace: str | None) -> str | None:
    if namespace is not None and not a_text("namespace", namespace).startswith("/"):
        raise ValueError(f"a namespace begins with '/': {namespace!r}")
    return namespace


def a_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text, not {type(value).__name__}: {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be valid Unicode: {value!r}") from None
    return value


def seconds(timeout: float | None) -> float:
    """How long nodes have to answer."""
    if timeout is None:
        return float(settings.REQUEST_TIMEOUT)
    return _positive(timeout)


def seconds_of_clients(timeout: float | None) -> float:
    """How long clients have to answer; nodes have `REALTIME["REQUEST_TIMEOUT"]` more."""
    if timeout is None:
        return float(settings.CALL_TIMEOUT)
    return _positive(timeout)


def _positive(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout is a number of seconds, not {type(timeout).__name__}")
    if not 0 < timeout < math.inf:
        raise ValueError(f"timeout is a number of seconds above 0, not {timeout}")
    return float(timeout)
