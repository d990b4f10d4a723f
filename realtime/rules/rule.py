"""A rule of one consumer class: which rooms it is for, and how it is asked.

Patterns and signatures are read once, when the class is made.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import Model, QuerySet
from django.db.models.manager import BaseManager
from django.urls import converters, path

from ..node.rooms import MAX_LENGTH, RESERVED
from ..schema.signatures import refuse_generator

_CONVERTER = re.compile("<(?:[^<>:]+:)?([^<>]+)>")
#: What each of Django's converters takes, and none that takes less.
_ODD: dict[type, str] = {
    converters.IntConverter: "0",
    converters.UUIDConverter: "c0ffee00-0000-0000-0000-000000000000",
    converters.SlugConverter: "a-slug",
    converters.StringConverter: "a string",
    converters.PathConverter: "a/path",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The arguments of `@room`."""

    pattern: str
    model: Any
    presence: bool
    history: int | timedelta | None
    recheck_on_save: bool
    instance_room: bool


class RoomRule:
    """A declared rule of one consumer class, ready to be asked."""

    __slots__ = ("function", "instances", "is_async", "model", "name", "options", "path")

    def __init__(self, options: Options, function: Callable[..., Any], owner: type) -> None:
        self.options = options
        self.function = function
        #: As messages name it.
        self.name = f"{owner.__module__}.{owner.__qualname__}.{function.__name__}"
        self.is_async = iscoroutinefunction(function)
        self.instances = options.model
        self.model = model_of(options.model)
        self.path = _read_pattern(options.pattern, self.name)
        self._check_model()
        self._check_signature()

    def __repr__(self) -> str:
        return f"<the rule {self.name} of {self.options.pattern!r}>"

    @property
    def pattern(self) -> str:
        return self.options.pattern

    def match(self, room: str) -> dict[str, Any] | None:
        """What the converters find in the name of a room; None if the rule is not for it.

        A rule of "orders.<int:pk>" is not for "orders.07", which nothing emitted to "orders.7"
        would reach.
        """
        found = self.path.resolve(room)
        kwargs: dict[str, Any] | None = None if found is None else found.kwargs
        return None if kwargs is None or self._written(kwargs) != room else kwargs

    def example(self) -> str | None:
        """The name of a room of the pattern, as odd as its converters allow; None if not known."""
        converters = self.path.pattern.converters
        try:
            return _CONVERTER.sub(lambda found: _ODD[type(converters[found[1]])], self.pattern)
        except KeyError:  # one of the project's own
            return None

    def _written(self, kwargs: dict[str, Any]) -> str | None:
        converters = self.path.pattern.converters
        try:
            return _CONVERTER.sub(
                lambda found: str(converters[found[1]].to_url(kwargs[found[1]])), self.pattern
            )
        except ValueError:
            return None

    def instances_for(self, consumer: Any) -> "QuerySet[Any]":
        """The instances among which that of a room is looked up."""
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
            raise TypeError(f"{self.name}: {options.model.__name__} is not a model with a table")
        if options.recheck_on_save and model is None:
            raise TypeError(
                f"{self.name}: recheck_on_save needs the model whose instances are saved"
            )
        if options.model is not None and not self._names:
            raise TypeError(
                f"{self.name}: {self.pattern!r} has no converter to find an instance with; write"
                ' "orders.<int:pk>", for example'
            )
        if model is not None and apps.models_ready:
            for name in self._names:
                _check_lookup(model, name, self.name)

    def _check_signature(self) -> None:
        refuse_generator(self.function, "nothing of it would run, and it would count as a yes")
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


def model_of(model: Any) -> type[Model] | None:
    """The class of the instances; None where only a call would tell."""
    if isinstance(model, BaseManager | QuerySet):
        model = model.model
    return model if isinstance(model, type) and issubclass(model, Model) else None


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
            f"{name}: {model.__name__} has no field {field!r} to find an instance with; name the"
            " converters of the pattern after fields, such as <int:pk>"
        ) from None


def match(rules: tuple[RoomRule, ...], room: str) -> tuple[RoomRule, dict[str, Any]] | None:
    """The first rule that is for a room of this name, and what its converters find."""
    for rule in rules:
        kwargs = rule.match(room)
        if kwargs is not None:
            return rule, kwargs
    return None
