"""The node of this process, and how any code, in any thread, has work done in its event loop."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..aio.complete import complete
from ..cluster.isolation import is_isolated
from ..conf import settings
from ..exceptions import EmitError, SyncEmitInAsyncCode
from ..metrics.process import after_fork
from . import crossings, greenlets, records
from .base import Node
from .crossings import LoopBlocked
from .emissions import Emission
from .node import ServingNode
from .publisher import Publisher, publisher
from .recording import RecordingNode

T = TypeVar("T")
Work = Coroutine[Any, Any, T]

_serving: list[ServingNode] = []
# A forked child holds none of its parent's sockets, and the parent's loop does not run there.
after_fork(_serving.clear)


def announce(node: ServingNode) -> None:
    """A server's node was started: what this process emits and asks goes through it."""
    _serving.append(node)


def withdraw(node: ServingNode) -> None:
    """A node is about to stop, or has."""
    if node in _serving:
        _serving.remove(node)


def serving() -> ServingNode | None:
    """The node that holds the sockets of this process, if one has been started."""
    return next((node for node in reversed(_serving) if node.is_running), None)


def current() -> Node:
    """The node of this process's server, or else its publisher; in a test one that only records.

    Raises ChannelLayerError where there is no server, and no layer that reaches one.
    """
    if not is_isolated():
        return serving() or publisher()
    records.begin()
    return serving() or _recording()


@functools.cache
def _recording() -> RecordingNode:
    return RecordingNode()


def run(make: Callable[[Node], Work[T]], name: str, seconds: float = 0.0) -> T:
    """Run the coroutine that `make` returns, and wait for its result.

    `name` is the caller's, for errors, and `seconds` what the work itself may take. Raises
    SyncEmitInAsyncCode in async code, and EmitError where the event loop is blocked.
    """
    refuse_in_async_code(name)
    node = current()
    return _run_on(node, make(node), name, seconds)


def broadcast(emission: Emission) -> None:
    """Deliver an emission to its recipients in every process, from a thread. Raises as `run`."""
    refuse_in_async_code("emit")
    node = current()
    node.broadcast_from_thread(emission, lambda work: _run_on(node, work, "emit"))


def _run_on(node: Node, work: Work[T], name: str, seconds: float = 0.0) -> T:
    if node.loop is None:
        return complete(work)
    # The layer has its own time limit; this one is for a loop that is itself blocked.
    patience = seconds + 2 * settings.EMIT_TIMEOUT
    try:
        if isinstance(node, Publisher) and node.is_among_greenlets:
            return greenlets.result(work, node.loop, patience)
        return crossings.result(work, node.loop, patience)
    except LoopBlocked:
        raise EmitError(
            f"the server's event loop did not get to {name}() within {patience:g} s: something"
            " blocks it"
        ) from None


async def arun(make: Callable[[Node], Work[T]]) -> T:
    """Run the coroutine that `make` returns in the loop it belongs to, from async code."""
    node = current()
    if node.loop is None or node.loop is asyncio.get_running_loop():
        return await make(node)
    future = asyncio.run_coroutine_threadsafe(make(node), node.loop)
    return await asyncio.wrap_future(future)


def refuse_in_async_code(name: str) -> None:
    """Raise SyncEmitInAsyncCode where an event loop runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise SyncEmitInAsyncCode(
        f"{name}() waits for its result, which would block the event loop that runs here: in async"
        f" code use `await a{name}(...)`"
    )
