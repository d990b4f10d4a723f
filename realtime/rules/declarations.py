"""`@room`: a room that clients may join by themselves, if a rule says yes.

Patterns and signatures are read once, when the class is made.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import Model, QuerySet
from django.db.models.manager import BaseManager
from django.urls import path

from ..events import check_twice, is_event
from ..node.rooms import MAX_LENGTH, RESERVED

Rule = TypeVar("Rule", bound=Callable[..., Any])

_MARK = "_realtime_room"
_CONVERTER = re.compile("<(?:[^<>:]+:)?([^<>]+)>")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The arguments of `@room`."""

    pattern: str
    model: Any
    presence: bool
    recheck_on_save: bool
    instance_room: bool


def room(
    pattern: str,
    *,
    model: Any = None,
    presence: bool = False,
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
        options = Options(
            pattern=pattern,
            model=model,
            presence=presence,
            recheck_on_save=recheck_on_save,
            # Of a function nobody knows whose instances it finds before it is called.
            instance_room=_model_of(model) is not None if instance_room is None else instance_room,
        )
        setattr(function, _MARK, options)
        return function

    return declare


def _model_of(model: Any) -> type[Model] | None:
    """The class of the instances, as far as it is known beforehand."""
    if isinstance(model, BaseManager | QuerySet):
        model = model.model
    return model if isinstance(model, type) and issubclass(model, Model) else None


class RoomRule:
    """A declared rule of one consumer class, ready to be asked."""

    __slots__ = ("function", "instances", "is_async", "model", "name", "options", "path")

    def __init__(self, options: Options, function: Callable[..., Any], owner: type) -> None:
        self.options = options
        self.function = function
        #: For people.
        self.name = f"{owner.__module__}.{owner.__qualname__}.{function.__name__}"
        self.is_async = iscoroutinefunction(function)
        self.instances = options.model
        self.model = _model_of(options.model)
        self.path = _read_pattern(options.pattern, self.name)
        self._check_model()
        self._check_signature()

    def __repr__(self) -> str:
        return f"<the rule {self.name} of {self.options.pattern!r}>"

    @property
    def pattern(self) -> str:
        return self.options.pattern

    def match(self, room: str) -> dict[str, Any] | None:
        """What the converters find in the name of a room; None if it is no such room.

        "orders.07" is none: nothing that is emitted to "orders.7" would reach it.
        """
        found = self.path.resolve(room)
        kwargs: dict[str, Any] | None = None if found is None else found.kwargs
        return None if kwargs is None or self._written(kwargs) != room else kwargs

    def _written(self, kwargs: dict[str, Any]) -> str | None:
        converters = self.path.pattern.converters
        try:
            return _CONVERTER.sub(
                lambda found: str(converters[found[1]].to_url(kwargs[found[1]])), self.pattern
            )
        except ValueError:
            return None

    def instances_for(self, consumer: Any) -> "QuerySet[Any]":
        """Among which instances a room's is looked up."""
        instances: Any
        if isinstance(self.instances, type):
            instances = cast(Any, self.instances)._default_manager.all()
        elif isinstance(self.instances, BaseManager | QuerySet):
            instances = self.instances.all()
        else:
            instances = self.instances(consumer)
        return instances  # type: ignore[no-any-return]

    @property
    def _names(self) -> list[str]:
        return list(self.path.pattern.converters)

    def _check_model(self) -> None:
        options, model = self.options, self.model
        if options.model is not None and model is None and not callable(options.model):
            raise TypeError(
                f"{self.name}: model must be a model, a manager, a queryset, or a function of the"
                f" consumer, not {options.model!r}"
            )
        if isinstance(options.model, type) and (model is None or model._meta.abstract):
            raise TypeError(f"{self.name}: {options.model.__name__} is no model with a table")
        if options.recheck_on_save and model is None:
            raise TypeError(
                f"{self.name}: recheck_on_save needs the model whose instances are saved"
            )
        if options.model is not None and not self._names:
            raise TypeError(
                f"{self.name}: {self.pattern!r} has no converter by which to find an instance;"
                ' "orders.<int:pk>" has one'
            )
        if model is not None and apps.models_ready:
            for name in self._names:
                _check_lookup(model, name, self.name)

    def _check_signature(self) -> None:
        given: tuple[tuple[Any, ...], dict[str, Any]]
        given = ((None,), dict.fromkeys(self._names))
        wanted = ", ".join(["self", *self._names])
        if self.options.model is not None:
            given = ((None, None), {})
            wanted = "self and the instance"
        try:
            inspect.signature(self.function).bind(*given[0], **given[1])
        except TypeError as error:
            raise TypeError(f"{self.name} must take {wanted}: {error}") from None


def _read_pattern(pattern: Any, name: str) -> Any:
    if not isinstance(pattern, str) or not 0 < len(pattern) <= MAX_LENGTH:
        raise TypeError(f"{name}: the pattern of a room must be a string, not {pattern!r}")
    if pattern.startswith(RESERVED):
        raise TypeError(f"{name}: room names that begin with {RESERVED!r} are reserved")
    if re.search("[<>]", _CONVERTER.sub("", pattern)):
        raise TypeError(
            f"{name}: {pattern!r} has a converter that is not closed; write <int:pk> or <pk>"
        )
    try:
        return path(pattern, _nowhere)
    except ImproperlyConfigured as error:
        raise TypeError(f"{name}: the pattern {pattern!r} can't be read: {error}") from None


def _nowhere(request: Any) -> Any:
    raise NotImplementedError


def _check_lookup(model: type[Model], lookup: str, name: str) -> None:
    field = lookup.partition("__")[0]
    if field == "pk":
        return
    try:
        model._meta.get_field(field)
    except FieldDoesNotExist:
        raise TypeError(
            f"{name}: {model.__name__} has no field {field!r} by which to find an instance; the"
            " converters of the pattern are named after fields, such as <int:pk>"
        ) from None


def rules_of(cls: type, reserved: frozenset[str]) -> tuple[RoomRule, ...]:
    """The rules that a class and its bases declare; those of the class itself come first.

    As with events, a subclass may override a rule without declaring it again, or set it to None to
    withdraw it.
    """
    declared: dict[str, Options] = {}
    for base in cls.__mro__:
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
                    f" members of both {first.pattern!r} and {rule.pattern!r}. Give the one whose"
                    " members are not meant by it instance_room=False"
                )


def match(rules: tuple[RoomRule, ...], room: str) -> tuple[RoomRule, dict[str, Any]] | None:
    """The first rule that a room's name is of, and what its converters find."""
    for rule in rules:
        kwargs = rule.match(room)
        if kwargs is not None:
            return rule, kwargs
    return None
