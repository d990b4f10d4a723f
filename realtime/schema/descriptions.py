"""What a namespace's events are, in the form of which documents are written."""

import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .emits import Emitted
from .kinds import Kind
from .signatures import Arguments, read_answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Argument:
    name: str
    kind: Kind
    required: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """One event, in one direction."""

    event: str
    text: str
    args: Sequence[Argument]
    rest: Argument | None = None
    #: A kind; None for an answer without a value; Ellipsis where nothing is said about it.
    answer: Any = ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Namespace:
    route: str
    text: str
    received: Sequence[Described]
    sent: Sequence[Described]

    @property
    def words(self) -> list[str]:
        """Of its route: /chat/<slug:team> has "chat" and "team"."""
        return re.findall(r"[^\W_]+", re.sub(r"<(?:\w+:)?(\w+)>", r"\1", self.route))


def describe_received(event: str, arguments: Arguments, function: Any, owner: type) -> Described:
    rest = arguments.rest
    takes_ack = "ack" in inspect.signature(function).parameters
    return Described(
        event=event,
        text=inspect.getdoc(function) or "",
        args=[
            Argument(name=p.name, kind=p.kind, required=p.required) for p in arguments.parameters
        ],
        rest=None if rest is None else Argument(name=rest.name, kind=rest.kind),
        answer=... if takes_ack else read_answer(function, owner),
    )


def describe_sent(emits: Iterable[Emitted]) -> list[Described]:
    return [
        Described(
            event=emitted.event,
            text="",
            args=[
                Argument(name="data" if len(emitted.args) == 1 else f"arg{number}", kind=kind)
                for number, kind in enumerate(emitted.args, 1)
            ],
            answer=emitted.answer,
        )
        for emitted in emits
    ]
