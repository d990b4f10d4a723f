"""`@event`: what a client may call, and how. Signatures are read once, when the class is made."""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, overload

from asgiref.sync import iscoroutinefunction

from .aio.calls import in_thread
from .exceptions import EventError
from .once.handling import handle_once
from .once.keys import Once, reader
from .permissions import BasePermission, made
from .protocol.packets import RESERVED_EVENTS
from .schema.signatures import Arguments, parameters_of, read_arguments, refuse_generator

Function = Callable[..., Any]

#: The name under which `@event("*")` takes every event that no other handler names.
CATCH_ALL = "*"
_MARK = "_realtime_event"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """The arguments of `@event`."""

    name: str
    concurrent: bool = False
    once: Once | None = None
    permissions: tuple[BasePermission, ...] = ()


@overload
def event(function: Function, /) -> Function: ...
@overload
def event(
    name: str | None = None,
    /,
    *,
    concurrent: bool = False,
    once: Once | None = None,
    permission_classes: Sequence[Any] = (),
) -> Callable[[Function], Function]: ...


def event(
    name: str | Function | None = None,
    /,
    *,
    concurrent: bool = False,
    once: Once | None = None,
    permission_classes: Sequence[Any] = (),
) -> Function | Callable[[Function], Function]:
    """Declare a method of a consumer as the handler of an event that clients send.

    Use it without arguments, or with the event's name: `@event` or `@event("typing:start")`. The
    client's arguments become the method's positional arguments, checked against its annotations;
    see docs/schema.md. The return value is the acknowledgement; a tuple becomes several values. A
    method with the keyword-only parameter `ack` sends the acknowledgement itself, with
    `await ack(...)`.

    - `@event("*")` handles all events without a handler of their own. The event's name is the first
      argument.
    - `concurrent` lets the handler run at the same time as the socket's other handlers instead of
      in order.
    - `permission_classes` are checked for this event, after those of the consumer.
    - `once` is the name of the argument that identifies repeats of the event, a part of it such as
      "order.key", or a function that takes all arguments. A repeat is acknowledged with what the
      handler returned the first time; see docs/durable.md.

    Raises TypeError if the declaration can't work, at the time when the class is defined.
    """
    if callable(name):
        check_twice(name, inspect.currentframe(), _MARK)
        return _mark(name, Event(name=name.__name__))
    if name is not None and not isinstance(name, str):
        raise TypeError(f"@event is for a method, or takes the name of an event, not {name!r}")
    permissions = made(permission_classes)

    def options(function: Function) -> Event:
        return Event(
            name=name or function.__name__,
            concurrent=concurrent,
            once=once,
            permissions=permissions,
        )

    def declare(function: Function) -> Function:
        check_twice(function, inspect.currentframe(), _MARK)
        return _mark(function, options(function))

    return declare


def check_twice(function: Function, decorator: FrameType | None, mark: str) -> None:
    """Refuse a second method of one name in a class body, where it would replace the first.

    The class itself never sees the first, so it is looked for where the decorator is called.
    """
    body = decorator.f_back.f_locals if decorator is not None and decorator.f_back else {}
    if "__qualname__" in body and hasattr(body.get(function.__name__), mark):
        raise TypeError(f"{function.__module__}.{function.__qualname__} is declared twice")


def is_event(function: Any) -> bool:
    """Whether a method is declared as a handler."""
    return isinstance(getattr(function, _MARK, None), Event)


def _mark(function: Function, options: Event) -> Function:
    if options.name in RESERVED_EVENTS:
        raise TypeError(
            f"Socket.IO reserves the event name {options.name!r}. To handle connecting and"
            " disconnecting, override the methods connect(auth) and disconnect(reason), without"
            " @event."
        )
    setattr(function, _MARK, options)
    return function


class Handler:
    """A declared method of one consumer class, ready to be called with a client's arguments."""

    __slots__ = (
        "arguments",
        "call",
        "concurrent",
        "event",
        "function",
        "is_plain",
        "least",
        "most",
        "once",
        "permissions",
        "schema",
        "takes_ack",
    )

    def __init__(self, options: Event, function: Function, owner: type) -> None:
        refuse_generator(function, "clients get nothing of what it yields, so emit each value")
        self.function = function
        self.event = options.name
        self.concurrent = options.concurrent
        self.permissions = options.permissions
        self.call: Function = function if iscoroutinefunction(function) else in_thread(function)
        parameters = parameters_of(function, owner)[1:]
        positional = [
            p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        endless = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.least = sum(p.default is p.empty for p in positional)
        self.most: float = math.inf if endless else len(positional)
        named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        self.takes_ack = any(p.name == "ack" for p in named)
        for parameter in named:
            if parameter.name != "ack" and parameter.default is parameter.empty:
                raise TypeError(
                    f"{function.__qualname__}: clients send positional arguments only; the"
                    f" keyword-only parameter {parameter.name!r} needs a default"
                )
        #: Whether a repeat is answered as the first was.
        self.once = options.once is not None
        if options.once is not None:
            self._handle_once(options.once, [p.name for p in positional])
        self.arguments = read_arguments(function, owner)
        #: What checks the values of the arguments; None if the annotations say nothing.
        self.schema: Arguments | None = self.arguments if self.arguments.is_checked else None
        #: Whether nothing but the number of the arguments is looked at before the call, which has
        #: its turn among the socket's others.
        self.is_plain = not (
            self.permissions or self.takes_ack or self.schema is not None or self.concurrent
        )

    def _handle_once(self, once: Once, parameters: list[str]) -> None:
        where = self.function.__qualname__
        if self.event == CATCH_ALL:
            raise TypeError(f"{where}: once is for an event with a name")
        if self.takes_ack:
            raise TypeError(
                f"{where}: a handler that is called once answers with what it returns, and can't"
                " have a parameter `ack`"
            )
        key, in_thread = reader(once, parameters, where), not iscoroutinefunction(self.function)
        self.call = handle_once(self.call, self.event, key, in_thread=in_thread)

    def refusal(self, count: int) -> EventError:
        """What to raise for so many arguments, fewer than `least` or more than `most`."""
        return EventError(f"{self.event!r} takes {self._wanted}, not {count}", code="bad_arguments")

    @property
    def _wanted(self) -> str:
        if self.most == math.inf:
            return f"at least {_arguments(self.least)}"
        if self.most == 0:
            return "no arguments"
        least = "" if self.least == self.most else f"{self.least} to "
        return f"{least}{_arguments(int(self.most))}"


def _arguments(number: int) -> str:
    return f"{number} argument{'' if number == 1 else 's'}"


def _check_names(cls: type) -> None:
    """Refuse two methods of one class body that declare the same event."""
    methods: dict[str, str] = {}
    for attribute, value in vars(cls).items():
        options = getattr(value, _MARK, None)
        if isinstance(options, Event):
            first = methods.setdefault(options.name, attribute)
            if first != attribute:
                raise TypeError(
                    f"{cls.__module__}.{cls.__qualname__} declares the event {options.name!r}"
                    f" twice: {first} and {attribute}"
                )


def handlers_of(cls: type, reserved: frozenset[str]) -> dict[str, Handler]:
    """The handlers that a class and its bases declare, by event name.

    A subclass may override a declared method without declaring it again, or set it to None to
    withdraw it. `reserved` are the attributes that a handler must not hide.
    """
    declared: dict[str, Event] = {}
    for base in reversed(cls.__mro__):
        for attribute, value in vars(base).items():
            options = getattr(value, _MARK, None)
            if isinstance(options, Event):
                if attribute in reserved:
                    raise TypeError(
                        f"{cls.__qualname__}.{attribute} would hide the consumer's own"
                        f" {attribute!r}. Give the method another name, and name the event:"
                        f' @event("{options.name}")'
                    )
                declared[attribute] = options
        _check_names(base)
    found: dict[str, Handler] = {}
    for attribute, options in declared.items():
        function = getattr(cls, attribute)
        if function is not None:
            found[options.name] = Handler(options, function, cls)
    return found
