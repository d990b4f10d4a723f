"""This process's place in the site: a node with sockets, or one that only tells and asks others."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..cluster.bus import Bus
from ..cluster.requests import Requests
from ..metrics import instruments
from ..metrics.counters import count
from . import records
from .emissions import Emission
from .followers import Follower

F = TypeVar("F", bound=Follower)
#: Runs a coroutine in the loop of a node, for a thread that waits for it.
Run = Callable[[Coroutine[Any, Any, object]], object]


class Node(ABC):
    """The way of any process, with sockets or without, to the clients of the site."""

    #: A part of the sids of its sockets, and of each message to other nodes.
    id: str
    #: Where its work runs; None before it started and after it stopped.
    loop: asyncio.AbstractEventLoop | None
    #: The way to the other nodes.
    bus: Bus
    #: Questions to all nodes with sockets.
    requests: Requests

    async def broadcast(self, emission: Emission) -> None:
        """Deliver an emission to its recipients in every process. Raises ChannelLayerError."""
        count("emits")
        records.record(emission)
        if instruments.tracing is None:
            await self._publish(emission)
        else:
            with instruments.tracing.emitting(emission) as traced:
                await self._publish(traced)

    def broadcast_from_thread(self, emission: Emission, run: Run) -> None:
        """The same from a thread, which does what needs no event loop. Raises ChannelLayerError.

        `run` is to run a coroutine in the node's loop, and wait for it.
        """
        if not self._is_for_threads(emission):
            run(self.broadcast(emission))
            return
        count("emits")
        records.record(emission)
        if instruments.tracing is None:
            self._publish_from_thread(emission, run)
        else:
            with instruments.tracing.emitting(emission) as traced:
                self._publish_from_thread(traced, run)

    def follower(self, kind: type[F]) -> F | None:
        """What of this kind follows the sockets of this process; None where there are none."""
        return None

    @abstractmethod
    async def _publish(self, emission: Emission) -> None: ...

    def _is_for_threads(self, emission: Emission) -> bool:
        """Whether there is anything that a thread can do."""
        return False

    def _publish_from_thread(self, emission: Emission, run: Run) -> None:
        raise NotImplementedError
