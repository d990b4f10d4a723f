"""What watches the hot path: nothing, until somebody wants to know.

Off, each of them costs the code that it watches one comparison with None.
"""

from collections.abc import Awaitable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from .timings import Timings


class Tracing(Protocol):
    """What tracing.py makes of OpenTelemetry."""

    async def handle(self, consumer: Any, event: str, call: Awaitable[Any]) -> Any:
        """Await a handler's call in a span, and return its result."""

    def emitting(self, emission: Any) -> AbstractContextManager[Any]:
        """A span around an emit; the emission that it gives carries the span's context."""

    def delivering(self, emission: Any) -> AbstractContextManager[None]:
        """A span around the delivery of an emission that came from another process."""


#: Set by importing prometheus.py.
timings: Timings | None = None
#: Set by tracing.instrument().
tracing: Tracing | None = None
