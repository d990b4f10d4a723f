"""`@room`: a room that clients may join by themselves, if a rule says yes."""

import inspect
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from ..events import check_twice, is_event
from ..recovery.past import wanted
from .rule import Options, RoomRule, model_of

Rule = TypeVar("Rule", bound=Callable[..., Any])

_MARK = "_realtime_room"


def room(
    pattern: str,
    *,
    model: Any = None,
    presence: bool = False,
    history: int | timedelta | None = None,
    recheck_on_save: bool = False,
    instance_room: bool | None = None,
) -> Callable[[Rule], Rule]:
    """Declare a method as the rule for rooms that clients may join: `@room("orders.<int:pk>")`.

    The pattern uses Django's path converters. When a client asks for such a room with the event
    `room:join`, the method is called with their values as keyword arguments, and the client may
    join if it returns a true value. It is `async def`, or a plain `def` that uses the ORM.

    - `model` is a model, a manager, a queryset, or a function of the consumer that returns a
      queryset. The rule is then called with the instance that the values find. If there is none,
      the client is refused.
    - `presence` makes members present in the room.
    - `history` sends those who join past events of the room first: an int for the number of last
      events, or a timedelta for how far to go back. It needs recovery; see docs/history.md.
    - `recheck_on_save` calls the rule again for the members when an instance of the model is saved
      or deleted, or its many-to-many relations change.
    - `instance_room` puts members into the instance's own room too, so that `emit(to=order)`
      reaches them: by default if `model` is not a function. Instances of the user model are an
      exception, because a user's room is for the user's own sockets.
    """
    if callable(pattern):
        raise TypeError('@room takes the pattern of its rooms\' names: @room("orders.<int:pk>")')

    def declare(function: Rule) -> Rule:
        check_twice(function, inspect.currentframe(), _MARK)
        _check_history(history)
        options = Options(
            pattern=pattern,
            model=model,
            presence=presence,
            history=history,
            recheck_on_save=recheck_on_save,
            # Which instances a function finds is known only once it is called.
            instance_room=model_of(model) is not None if instance_room is None else instance_room,
        )
        setattr(function, _MARK, options)
        return function

    return declare


def _check_history(history: Any) -> None:
    if history is None:
        return
    if isinstance(history, bool) or not isinstance(history, int | timedelta):
        raise TypeError(
            "history= of @room must be a number of events or a timedelta, not"
            f" {type(history).__name__}: {history!r}"
        )
    wanted(history)  # which refuses a negative number


def rules_of(cls: type, reserved: frozenset[str]) -> tuple[RoomRule, ...]:
    """The rules that a class and its bases declare; those of the class itself come first.

    As with events, a subclass may override a rule without declaring it again, or set it to None to
    withdraw it.
    """
    declared: dict[str, Options] = {}
    for base in cls.__mro__:
        _check_reached(base)
        for attribute, options in _declared_in(base):
            if attribute in reserved:
                raise TypeError(
                    f"{cls.__qualname__}.{attribute} would hide the consumer's own {attribute!r}."
                    " Give the method another name; the room's name is the pattern"
                )
            declared.setdefault(attribute, options)
    found = [
        RoomRule(options, getattr(cls, attribute), cls)
        for attribute, options in declared.items()
        if getattr(cls, attribute) is not None
    ]
    _check_once(found)
    return tuple(found)


def _declared_in(cls: type) -> Iterator[tuple[str, Options]]:
    for attribute, value in vars(cls).items():
        options = getattr(value, _MARK, None)
        if isinstance(options, Options):
            if is_event(value):
                raise TypeError(
                    f"{cls.__module__}.{cls.__qualname__}.{attribute} is both a rule and a handler:"
                    " clients could call the rule with arguments of their own. Make two methods"
                )
            yield attribute, options


def _check_reached(cls: type) -> None:
    """Refuse a rule behind one of the same class that is for all of its rooms, too."""
    before: list[RoomRule] = []
    for attribute, options in _declared_in(cls):
        rule = RoomRule(options, vars(cls)[attribute], cls)
        name = rule.example()
        first = next((r for r in before if name is not None and r.match(name) is not None), None)
        if first is not None and first.pattern != rule.pattern:
            raise TypeError(
                f"{rule.name} is never asked: {first.pattern!r} is for rooms such as {name!r} as"
                f" well as {rule.pattern!r}, and comes before it. Declare the more particular first"
            )
        before.append(rule)


def _check_once(rules: list[RoomRule]) -> None:
    patterns: dict[str, RoomRule] = {}
    instances: dict[Any, RoomRule] = {}
    for rule in rules:
        first = patterns.setdefault(rule.pattern, rule)
        if first is not rule:
            raise TypeError(f"the room {rule.pattern!r} is declared twice: {first} and {rule}")
        if rule.options.instance_room and rule.model is not None:
            model = rule.model._meta.concrete_model
            first = instances.setdefault(model, rule)
            if first is not rule:
                raise TypeError(
                    f"what is emitted to an instance of {rule.model.__name__} would reach the"
                    f" members of both {first.pattern!r} and {rule.pattern!r}. Set"
                    " instance_room=False on the one whose members should not get it"
                )
