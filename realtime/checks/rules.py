"""What the value of a setting must be."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..protocol.packets import RESERVED_EVENTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What the value of a key must be; `says` completes "it must be ..."."""

    says: str
    holds: Callable[[Any], bool]


def is_number(value: Any) -> bool:
    # True is an int in Python, but not a number here.
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value: Any) -> bool:
    return is_number(value) and isinstance(value, int) and value >= 1


def is_event(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value not in {"", *RESERVED_EVENTS})


TIME = Rule(
    says="a number of seconds greater than 0", holds=lambda value: is_number(value) and value > 0
)
TIME_OR_NONE = Rule(
    says="a number of seconds, 0 or more", holds=lambda value: is_number(value) and value >= 0
)
#: For what people, or other processes, wait.
SHORT_TIME = Rule(
    says="a number of seconds, from 0.05 to 60",
    holds=lambda value: is_number(value) and 0.05 <= value <= 60,
)
COUNT = Rule(says="a whole number, 1 or more", holds=is_count)
EVENT = Rule(
    says="the name of an event, but not one of Socket.IO's own"
    f" ({', '.join(sorted(RESERVED_EVENTS))}), or None",
    holds=is_event,
)
