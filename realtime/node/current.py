"""From any code into the event loop that knows the others: the server's, or the publisher's."""

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ..cluster.bus import Bus
from ..cluster.requests import Requests
from ..compat.server import serving
from ..conf import settings
from ..exceptions import EmitError, SyncEmitInAsyncCode
from .emissions import Emission
from .publisher import publisher

T = TypeVar("T")
Work = Coroutine[Any, Any, T]


class Home(Protocol):
    """What this process reaches the clients through."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None: ...

    @property
    def bus(self) -> Bus: ...

    @property
    def requests(self) -> Requests: ...

    async def broadcast(self, emission: Emission) -> None: ...


def home() -> Home:
    """The server of this process, or else its publisher.

    Raises ChannelLayerError where there is no server, and no layer that reaches one.
    """
    server = serving()
    return publisher() if server is None else server


def run(make: Callable[[Home], Work[T]], name: str, seconds: float = 0.0) -> T:
    """Run the coroutine that `make` returns, and wait for its result.

    `name` is the caller's, for errors, and `seconds` what the work itself may take. Raises
    SyncEmitInAsyncCode in async code, and EmitError where the event loop is blocked.
    """
    refuse_in_async_code(name)
    where = home()
    assert where.loop is not None
    future = asyncio.run_coroutine_threadsafe(make(where), where.loop)
    # The layer has its own time limit; this one is for a loop that is itself blocked.
    patience = seconds + 2 * settings.EMIT_TIMEOUT
    try:
        return future.result(timeout=patience)
    except concurrent.futures.TimeoutError:
        if future.done():  # the work's own TimeoutError, which is the same class
            raise
        future.cancel()
        raise EmitError(
            f"the event loop of the server did not come to {name}() in {patience} s: something"
            " blocks it"
        ) from None


async def arun(make: Callable[[Home], Work[T]]) -> T:
    """Run the coroutine that `make` returns in the loop it belongs to, from async code."""
    where = home()
    assert where.loop is not None
    if where.loop is asyncio.get_running_loop():
        return await make(where)
    future = asyncio.run_coroutine_threadsafe(make(where), where.loop)
    return await asyncio.wrap_future(future)


def refuse_in_async_code(name: str) -> None:
    """Raise SyncEmitInAsyncCode where an event loop runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise SyncEmitInAsyncCode(
        f"{name}() waits until it is done, which would block the event loop that runs here: use"
        f" `await a{name}(...)` in async code"
    )
