"""What is wrong with a value, and where in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..exceptions import MAX_FAULTS, BadArguments

#: Characters of a message or of one key of a path, and keys of a path. All may be what the client
#: sent, and each is sent back and logged.
MAX_TEXT = 200
MAX_DEPTH = 20
Path = tuple[str | int, ...]

#: What JSON calls the values that clients send.
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),
    (str, "a string"),
    ((int, float), "a number"),
    (dict, "an object"),
    ((list, tuple), "an array"),
    (bytes, "binary data"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    message: str
    code: str
    path: Path = ()

    def under(self, key: str | int) -> "Fault":
        return Fault(self.message, self.code, (key, *self.path))

    def as_dict(self) -> dict[str, Any]:
        path = [_sendable(key) if isinstance(key, str) else key for key in self.path[:MAX_DEPTH]]
        return {"path": path, "message": _sendable(self.message), "code": self.code}


def _sendable(text: str) -> str:
    # Half a surrogate pair, which JSON may hold, can't be sent back.
    return text[:MAX_TEXT].encode(errors="replace").decode()


class Invalid(Exception):
    """A value that is not of its kind; has at least one fault, if a library names none."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults or (Fault("is not valid", "invalid"),)

    @classmethod
    def of(cls, message: str, code: str) -> "Invalid":
        return cls(Fault(message, code))


def must_be(wanted: str, value: Any) -> Invalid:
    return Invalid.of(f"must be {wanted}, not {_kind_of(value)}", "type")


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for types, name in _KINDS if isinstance(value, types)), type(value).__name__)


class Faults:
    """Those of a value's parts. So many that a client can't use them all are not looked for."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    @property
    def enough(self) -> bool:
        return len(self._faults) >= MAX_FAULTS

    def add(self, key: str | int, invalid: Invalid) -> None:
        self._faults += (fault.under(key) for fault in invalid.faults[:MAX_FAULTS])

    def check(self) -> None:
        """Raise Invalid if there are any."""
        if self._faults:
            raise Invalid(*self._faults[:MAX_FAULTS])


def refusal(faults: Sequence[Fault]) -> BadArguments:
    """The error that a client is answered with."""
    return BadArguments([fault.as_dict() for fault in faults[:MAX_FAULTS]])
