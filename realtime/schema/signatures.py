"""A handler's annotations: checked when its class is made, and applied to what clients send."""

import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from asgiref.sync import sync_to_async
from django.forms import BaseForm

from .annotations import Reader, Unchecked
from .faults import Fault, Faults, Invalid, refusal
from .forms import Bound, FormKind
from .kinds import ANYTHING, Kind
from .serializers import SerializerKind, is_serializer

_DEEP = Fault("is nested too deeply", "depth")


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: Kind
    required: bool


class Arguments:
    """What the positional parameters of one handler take."""

    __slots__ = ("_exact", "_loads", "blocking", "parameters", "rest")

    def __init__(self, parameters: Sequence[Parameter], rest: Parameter | None) -> None:
        self.parameters = tuple(parameters)
        #: What `*args` takes.
        self.rest = rest
        #: Types of arguments that are taken as they are, for what most handlers declare.
        self._exact = [parameter.kind.exact for parameter in parameters]
        self._loads = [parameter.kind.load for parameter in parameters]
        #: Whether the check needs a thread: `aload` has it.
        self.blocking = any(isinstance(p.kind, Bound) for p in parameters)

    @property
    def is_checked(self) -> bool:
        rest = [] if self.rest is None else [self.rest]
        return any(parameter.kind.is_checked for parameter in (*self.parameters, *rest))

    def load(self, args: list[Any]) -> list[Any]:
        """What the handler gets. Raises BadArguments. Their number has been checked."""
        exact = self._exact if len(args) == len(self._exact) else self._exact[: len(args)]
        if list(map(type, args)) == exact:
            return args
        try:
            if self.rest is None:
                return [load(value) for load, value in zip(self._loads, args, strict=False)]
            named = len(self._loads)
            loaded = [load(value) for load, value in zip(self._loads, args, strict=False)]
            return loaded + [self.rest.kind.load(value) for value in args[named:]]
        except (Invalid, RecursionError):
            # The way that is taken rarely finds every fault, and where it is.
            return self._with_paths(args, lambda kind, value: kind.load(value))

    async def aload(self, args: list[Any], consumer: Any) -> list[Any]:
        """The same with forms and serializers, whose rules may ask the database."""

        def load(kind: Kind, value: Any) -> Any:
            if isinstance(kind, Bound):
                return kind.load_for(value, consumer)
            return kind.load(value)

        return await sync_to_async(self._with_paths)(args, load)

    def _with_paths(self, args: list[Any], load: Callable[[Kind, Any], Any]) -> list[Any]:
        loaded, faults = [], Faults()
        for index, value in enumerate(args):
            try:
                loaded.append(load(self._kind_at(index), value))
            except Invalid as invalid:
                faults.add(*self._place(index, invalid))
            except RecursionError:
                faults.add(*self._place(index, Invalid(_DEEP)))
        try:
            faults.check()
        except Invalid as invalid:
            raise refusal(invalid.faults) from None
        return loaded

    def _kind_at(self, index: int) -> Kind:
        if index < len(self.parameters):
            return self.parameters[index].kind
        return ANYTHING if self.rest is None else self.rest.kind

    def _place(self, index: int, invalid: Invalid) -> tuple[str, Invalid]:
        named = len(self.parameters)
        if index < named:
            return self.parameters[index].name, invalid
        name = "args" if self.rest is None else self.rest.name
        return name, Invalid(*(fault.under(index - named) for fault in invalid.faults))


def refuse_generator(function: Callable[..., Any], hint: str) -> None:
    """Refuse a method with a `yield`: to call it runs nothing, and what it returns is true."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        name = f"{function.__module__}.{function.__qualname__}"
        raise TypeError(f"{name} is a generator: {hint}, and return instead of `yield`")


def parameters_of(function: Callable[..., Any], owner: type) -> list[inspect.Parameter]:
    """With that for the consumer, which every handler needs, before those for the arguments."""
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind in (
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    ):
        name = f"{owner.__module__}.{owner.__qualname__}.{function.__name__}"
        raise TypeError(f"{name} must take self, and then the arguments that clients send")
    return parameters


def read_arguments(function: Any, owner: type) -> Arguments:
    """Raises TypeError, with the handler and the parameter, for what can't be checked."""
    reader, parameters, rest = Reader(), [], None
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            continue
        kind = ANYTHING
        if parameter.annotation is not parameter.empty:
            kind = _kind_of(reader, parameter, function, owner)
        required = parameter.default is parameter.empty
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = Parameter(parameter.name, kind, False)
        else:
            parameters.append(Parameter(parameter.name, kind, required))
    return Arguments(parameters, rest)


def _kind_of(reader: Reader, parameter: inspect.Parameter, function: Any, owner: type) -> Kind:
    where = f"{function.__module__}.{function.__qualname__}"
    try:
        try:
            annotation = resolve(parameter.annotation, function, owner)
        except Exception as error:  # an annotation is any expression
            raise Unchecked(f"{parameter.annotation!r}, {error}") from None
        is_single = parameter.kind is not parameter.VAR_POSITIONAL
        if is_single and isinstance(annotation, type) and issubclass(annotation, BaseForm):
            return FormKind(annotation)
        if is_single and is_serializer(annotation):
            return SerializerKind(annotation)
        return reader.kind(annotation)
    except Unchecked as error:
        raise TypeError(
            f"{where}: the annotation of {parameter.name!r} can't be checked: {error}. Annotations"
            " say what clients may send (docs/schema.md); Any accepts everything."
        ) from None


def resolve(annotation: Any, function: Any, owner: type) -> Any:
    """The annotation itself, where it or a part of it is a text.

    Raises whatever its expression raises.
    """
    function = inspect.unwrap(function)
    holder = SimpleNamespace(__annotations__={"it": annotation})
    names = getattr(function, "__globals__", {})
    try:
        return typing.get_type_hints(holder, names, include_extras=True)["it"]
    except NameError:
        # As the class body would find it, were the annotation no text.
        space: dict[str, Any] = {}
        for cls in reversed(owner.__mro__):
            space |= vars(cls)
        return typing.get_type_hints(holder, names, space, include_extras=True)["it"]


def read_answer(function: Any, owner: type) -> Any:
    """What the return annotation says: a kind, None for "nothing", Ellipsis if it says nothing."""
    annotation = inspect.signature(function).return_annotation
    if annotation is inspect.Signature.empty:
        return ...
    try:
        resolved = resolve(annotation, function, owner)
        if resolved in (None, type(None)):
            return None
        if is_serializer(resolved):
            return SerializerKind(resolved)
        return Reader().kind(resolved)
    except Exception:  # it is a description only, and may be any expression
        return ...
