"""A call of an async verb that nobody awaits does nothing: it is said in the log, under any server.

Python's own warning names no line, and under Daphne nobody sees it: Twisted takes warnings into a
log of its own.
"""

import functools
import logging
import sys
from collections.abc import Callable, Coroutine, Generator
from types import CodeType
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import markcoroutinefunction

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

logger = logging.getLogger("realtime")


class Call(Coroutine[Any, Any, T_co]):
    """The coroutine of a verb, and where it was called. Awaited or made a task it is that alone."""

    __slots__ = ("__name__", "_at", "_code", "_coroutine", "_is_begun")

    def __init__(self, coroutine: Coroutine[Any, Any, T_co], name: str, depth: int = 1) -> None:
        """`depth` is how many frames the caller of the verb is above the caller of this."""
        self.__name__ = name
        self._coroutine = coroutine
        self._is_begun = False
        # Not the frame, whose variables would live as long; and the line is worked out when it is
        # needed: each emit comes along here.
        frame = sys._getframe(depth + 1)
        self._code = frame.f_code
        self._at = frame.f_lasti

    def __await__(self) -> Generator[Any, Any, T_co]:
        self._is_begun = True
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        self._is_begun = True
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        self._is_begun = True
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._is_begun = True
        self._coroutine.close()

    def __del__(self) -> None:
        # Not begun by a loop that has ended is not forgotten, nor what ends with the interpreter.
        if not self._is_begun and not sys.is_finalizing():
            logger.error(
                "%s() was called without await in %s, line %s, and did nothing. Write: await"
                " ...%s(...)",
                self.__name__,
                self._code.co_filename,
                _line(self._code, self._at),
                self.__name__,
            )


def _line(code: CodeType, at: int) -> int | None:
    for start, end, line in code.co_lines():
        if start <= at < end:
            return line
    return None


def noticed(verb: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let the log say where a call of an async function is not awaited."""
    name = verb.__name__

    @functools.wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return Call(verb(*args, **kwargs), name)

    marked: Callable[P, Coroutine[Any, Any, T]] = markcoroutinefunction(call)
    return marked
