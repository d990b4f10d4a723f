"""What happens to clients that connect while the store is away."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..conf import settings
from ..exceptions import ChannelLayerError
from ..logs import brief, facts
from ..metrics.counters import count
from ..node.sockets import Socket, State

T = TypeVar("T")

logger = logging.getLogger("realtime.recovery")

#: Seconds for which clients are sent to try again, unless their window is shorter; a restart of
#: Redis, or Sentinel's choice of another one, takes less.
PATIENCE = 30.0
#: Seconds between two tries for one client.
RETRY = 0.25


class Outage:
    """How long it has been away, as far as clients that came back have found out."""

    def __init__(self) -> None:
        self._since = self._last = -math.inf

    def failed(self, now: float) -> float:
        """The store could not be asked: for how many seconds that has been so by now."""
        # Nobody has asked for a long time: what failed then was another outage.
        if now - self._last > PATIENCE:
            self._since = now
        self._last = now
        return now - self._since

    def ended(self) -> None:
        """The store has answered."""
        self._last = -math.inf


async def in_time(
    socket: Socket, ask: Callable[[], Awaitable[T]], time: Callable[[], float]
) -> T | None:
    """What the store answers; while it is away a connecting client waits for EMIT_TIMEOUT.

    Then its connection is closed, for it to try again. None if the client is gone.
    """
    end = time() + settings.EMIT_TIMEOUT
    while socket.state is State.CONNECTING:
        try:
            return await ask()
        except ChannelLayerError as error:
            if time() >= end:
                put_off(socket, error)
            else:
                await asyncio.sleep(RETRY)
    return None


def put_off(socket: Socket, error: ChannelLayerError) -> None:
    """Close the connection of a client that needs the store, for it to try again."""
    count("recoveries.put_off")
    logger.warning(
        "closed the connection of a client of %s, which will try again, because the recovery"
        " store is unavailable: %s",
        socket.namespace,
        brief(error),
        extra=facts(sid=socket.sid, namespace=socket.namespace),
    )
    socket.connection.close("transport error")
