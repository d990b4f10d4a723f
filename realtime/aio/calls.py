"""Calls between async code and plain `def` functions, whichever side the caller is on."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async

T = TypeVar("T")


async def run(function: Callable[..., Any], *args: Any) -> Any:
    """Call an `async def` function, or a plain one in a worker thread."""
    if iscoroutinefunction(function):
        return await function(*args)
    return await sync_to_async(function)(*args)


def in_threads_too(
    verb: Callable[..., Coroutine[Any, Any, T]],
) -> Callable[..., Coroutine[Any, Any, T]]:
    """Let a plain `def` handler call an async verb: in a worker thread it waits for the result.

    Without this, `self.emit(...)` in a `def` handler would make a coroutine that nobody awaits, and
    the event would be lost in silence.
    """

    @functools.wraps(verb)
    def either(*args: Any, **kwargs: Any) -> Any:
        coroutine = verb(*args, **kwargs)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return async_to_sync(_await)(coroutine)
        return coroutine

    return either


async def _await(coroutine: Coroutine[Any, Any, T]) -> T:
    return await coroutine
