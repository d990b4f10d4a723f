"""Running a coroutine that waits for nothing, where no event loop is needed for it."""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def complete(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end that waits for nothing but turns of an event loop."""
    while True:
        try:
            work.send(None)
        except StopIteration as done:
            result: T = done.value
            return result
