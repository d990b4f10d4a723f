"""How an operation asks the nodes, from sync code and from async code."""

import functools
import inspect
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, get_args

from ..aio.forgotten import noticed
from ..cluster.isolation import is_isolated
from ..cluster.requests import Answer, Replies, Requests
from ..node import current, records

P = ParamSpec("P")
T = TypeVar("T")

#: What a question says, in plain values.
Body = dict[str, Any]

logger = logging.getLogger("realtime.operations")


class Inquiry:
    """One or more questions, with one list of the nodes that did not answer."""

    def __init__(self, requests: Requests, timeout: float) -> None:
        self._requests = requests
        self._timeout = timeout
        self._missing: set[str] = set()

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(sorted(self._missing))

    async def ask(
        self, name: str, body: Body, *, nodes: Collection[str] | None = None
    ) -> dict[str, Any]:
        """What each node answered. One that failed is missing. Raises ChannelLayerError."""
        replies = await self.replies(name, body, nodes=nodes)
        self._missing.update(replies.missing, replies.failures)
        for node, failure in replies.failures.items():
            logger.warning("node %s did not answer %r: %s", node, name, failure)
        return replies.answers

    async def replies(
        self, name: str, body: Body | None = None, *, nodes: Collection[str] | None = None
    ) -> Replies:
        """The same for those who tell failures apart. Raises ChannelLayerError."""
        return await self._requests.ask(name, body, nodes=nodes, timeout=self._timeout)


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation(Generic[T]):
    """What is to be asked; the arguments are checked.

    `timeout` is how long the nodes have for each of the `questions`, in seconds.
    """

    ask: Callable[[Inquiry], Coroutine[Any, Any, T]]
    timeout: float
    questions: int = 1

    def start(self, requests: Requests) -> Coroutine[Any, Any, T]:
        return self.ask(Inquiry(requests, self.timeout))


def twins(
    operation: Callable[P, Operation[T]],
) -> tuple[Callable[P, T], Callable[P, Coroutine[Any, Any, T]]]:
    """The functions of an operation, such as `fetch_rooms` and `afetch_rooms`."""
    return blocking(operation), awaitable(operation)


def blocking(operation: Callable[P, Operation[T]]) -> Callable[P, T]:
    """The function of an operation for sync code: it waits until all have answered."""
    name = _name(operation)

    def function(*args: P.args, **kwargs: P.kwargs) -> T:
        prepared = _prepared(operation, name, args, kwargs)
        return current.run(
            lambda node: prepared.start(node.requests),
            name,
            prepared.questions * prepared.timeout,
        )

    return _presented(function, operation, name)


def awaitable(operation: Callable[P, Operation[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The function of an operation for async code."""

    name = _name(operation)

    async def function(*args: P.args, **kwargs: P.kwargs) -> T:
        prepared = _prepared(operation, name, args, kwargs)
        return await current.arun(lambda node: prepared.start(node.requests))

    function.__name__ = f"a{name}"
    return _presented(noticed(function), operation, f"a{name}")


def _prepared(
    operation: Callable[..., Operation[T]], name: str, args: Any, kwargs: Any
) -> Operation[T]:
    prepared = operation(*args, **kwargs)  # first what refuses bad arguments
    if is_isolated():
        records.record_question(name, inspect.signature(operation).bind(*args, **kwargs).arguments)
    return prepared


def _name(operation: Callable[..., Any]) -> str:
    return operation.__name__.removeprefix("_")


F = TypeVar("F", bound=Callable[..., Any])


def _presented(function: F, operation: Callable[..., Any], name: str) -> F:
    """The function as help() shows it: what the operation takes, and what the caller gets."""
    signature = inspect.signature(operation)
    (result,) = get_args(signature.return_annotation)
    functools.update_wrapper(function, operation)
    function.__name__ = function.__qualname__ = name
    vars(function)["__signature__"] = signature.replace(return_annotation=result)
    return function


Holder = TypeVar("Holder")


def bound(
    holder: Holder, functions: Mapping[str, Callable[[Holder, Body], Any]]
) -> dict[str, Answer]:
    """Answers by the names of their questions; each function is given `holder` first."""
    return {name: functools.partial(function, holder) for name, function in functions.items()}
