"""Calls between async code and plain `def` functions, whichever side the caller is on."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async

from .forgotten import Call

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Completion(Coroutine[Any, Any, T_co]):
    """What a verb returns: to be awaited in async code, and complete already in a plain `def`.

    For type checkers only. They take a coroutine that is not awaited for a mistake, and go by the
    name of its class; where it is awaited or made a task, this is a coroutine like any other.
    """


async def run(function: Callable[..., Any], *args: Any) -> Any:
    """Call an `async def` function, or a plain one in a worker thread.

    A plain one may return something to be awaited: a decorator around an async one is like that.
    """
    if _is_async(function):
        return await function(*args)
    return await _awaited(await sync_to_async(function)(*args))


async def run_for_truth(function: Callable[..., Any], *args: Any) -> bool:
    """The same where only the truth of the result matters, which for a queryset is a query."""
    if _is_async(function):
        return bool(await function(*args))
    return bool(await _awaited(await sync_to_async(_truth)(function, args)))


def _truth(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    result = function(*args)
    return result if inspect.isawaitable(result) else bool(result)


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def in_thread(function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A plain function as an async one, as `run` calls it."""
    hop = sync_to_async(function)

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await _awaited(await hop(*args, **kwargs))

    return call


def _is_async(function: Callable[..., Any]) -> bool:
    plain = getattr(function, "__func__", function)
    if isinstance(plain, FunctionType):
        return _is_async_function(plain)
    return iscoroutinefunction(function)


# To look takes longer than the rest of a call, and the functions of a site are few.
_is_async_function = functools.lru_cache(maxsize=1_000)(iscoroutinefunction)


def in_threads_too(verb: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Completion[T]]:
    """Let a plain `def` handler call an async verb: in a worker thread it waits for the result.

    Without this, `self.emit(...)` in a `def` handler would make a coroutine that nobody awaits, and
    the event would be lost in silence. In async code one that is not awaited is said in the log.
    """
    name = verb.__name__
    if name == "__call__":
        name = verb.__qualname__.rpartition(".")[0].lower()

    @functools.wraps(verb)
    def either(*args: P.args, **kwargs: P.kwargs) -> Any:
        coroutine = verb(*args, **kwargs)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return async_to_sync(_await)(coroutine)
        return Call(coroutine, name)

    return either


async def _await(coroutine: Coroutine[Any, Any, T]) -> T:
    return await coroutine


def in_threads_with_result(verb: Callable[P, Coroutine[Any, Any, Any]]) -> Callable[P, Any]:
    """The same for a verb whose result is used, which only Any has the type of on both sides."""
    return in_threads_too(verb)


def async_or_not(method: Callable[P, Coroutine[Any, Any, Any]]) -> Callable[P, Any]:
    """Let type checkers take a plain `def` as well as an `async def` for an override of a method.

    Any, so that `await super().connect(auth)` passes as well.
    """
    return method
