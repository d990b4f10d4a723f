"""The arguments of operations, checked before anything is sent. Raises TypeError and ValueError."""

import math
from enum import Enum
from typing import Any, Final

from ..conf import settings


class NotGiven(Enum):
    """The type of an argument that was left out, where None means something."""

    NOT_GIVEN = "not given"


NOT_GIVEN: Final = NotGiven.NOT_GIVEN


def checked_namespace(namespace: str | None) -> str | None:
    """The name of a namespace, or None for all of them."""
    if namespace is not None and not checked_text("namespace", namespace).startswith("/"):
        raise ValueError(f"{namespace!r} is not a namespace: it must begin with '/'")
    return namespace


def checked_text(name: str, value: Any) -> str:
    """The value of the argument `name`, if it is text that can be sent."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}: {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be valid Unicode: {value!r}") from None
    return value


def node_timeout(timeout: float | None) -> float:
    """How many seconds nodes have to answer."""
    if timeout is None:
        return float(settings.REQUEST_TIMEOUT)
    return _checked_timeout(timeout)


def client_timeout(timeout: float | None) -> float:
    """How many seconds clients have to answer; nodes have `REALTIME["REQUEST_TIMEOUT"]` more."""
    if timeout is None:
        return float(settings.CALL_TIMEOUT)
    return _checked_timeout(timeout)


def _checked_timeout(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not 0 < timeout < math.inf:
        raise ValueError(f"timeout must be a number of seconds greater than 0, not {timeout}")
    return float(timeout)
