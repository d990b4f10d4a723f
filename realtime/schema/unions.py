"""`X | Y`, and what it may cost."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from .definitions import Definitions, Schema
from .faults import Fault, Invalid
from .kinds import Kind
from .plain import ONE_OF


class Union(Kind):
    """The first member that takes a value has it."""

    def __init__(self, members: Sequence[Kind]) -> None:
        self._members = members
        deep = sum(member.is_deep for member in members)
        self.is_deep = deep > 0
        self._branches = deep > 1

    def load(self, value: Any) -> Any:
        if not self._branches:
            return self._first(value)
        with _attempts.spend():
            return self._first(value)

    def _first(self, value: Any) -> Any:
        refusals = []
        for member in self._members:
            try:
                return member.load(value)
            except Invalid as invalid:
                refusals.append(invalid)
        # A member that found fault with a part of the value only is the one that was meant.
        meant = [refusal for refusal in refusals if any(fault.path for fault in refusal.faults)]
        if len(meant) > 1:
            meant = _by_tag(meant)
        if len(meant) == 1:
            raise meant[0]
        faults = [fault for refusal in refusals for fault in refusal.faults if not fault.path]
        messages = _joined(list(dict.fromkeys(fault.message for fault in faults)))
        raise Invalid.of(messages or "is none of what it may be", "union")

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        return {"anyOf": [member.schema(definitions, sent=sent) for member in self._members]}


def _by_tag(refusals: Sequence[Invalid]) -> list[Invalid]:
    """Those whose tag is the value's: members often differ by a field such as `kind: Literal[...]`.

    Where no tag is, one refusal says so for all.
    """
    tags = [[f for f in r.faults if f.code == "choice" and len(f.path) == 1] for r in refusals]
    fitting = [r for r, wrong in zip(refusals, tags, strict=True) if not wrong]
    wrong = [fault for faults in tags for fault in faults]
    if fitting or len({fault.path for fault in wrong}) > 1:
        return fitting
    options = dict.fromkeys(fault.message.removeprefix(ONE_OF) for fault in wrong)
    return [Invalid(Fault(f"{ONE_OF}{', '.join(options)}", "choice", wrong[0].path))]


def _joined(messages: list[str]) -> str:
    """What each member wants of the value, which is what it is for all of them."""
    parts = [message.removeprefix("must be ").rpartition(", not ") for message in messages]
    if len({found for _, _, found in parts}) == 1 and all(wanted for wanted, _, _ in parts):
        return f"must be {' or '.join(wanted for wanted, _, _ in parts)}, not {parts[0][2]}"
    return " or ".join(messages)


class _Attempts(threading.local):
    """Bounds what one value may cost: unions within unions try each part again and again.

    Of a type such as `Tree = Node | Other`, where both have a field `child: Tree`, a client could
    send a value of depth 40 that takes 2 to the 40th steps.
    """

    MOST = 10_000
    depth = 0
    left = 0

    @contextlib.contextmanager
    def spend(self) -> Iterator[None]:
        if self.depth == 0:
            self.left = self.MOST
        self.left -= 1
        if self.left < 0:
            raise Invalid.of("has too many parts that may be one thing or another", "depth")
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


_attempts = _Attempts()
