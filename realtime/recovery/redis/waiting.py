"""Who waits until an event that this node logged has come back to it."""

import asyncio
from collections import deque

from ..positions import Position


class Waiting:
    """The positions that are waited for, by namespace."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[Position, asyncio.Future[None]]]] = {}

    def expect(self, namespace: str, position: Position) -> asyncio.Future[None]:
        """A future that is done once all events up to a position were delivered here."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append((position, future))
        return future

    def reached(self, namespace: str, position: Position) -> None:
        """All events up to a position were delivered."""
        waiting = self._waiting.get(namespace)
        if waiting is None:
            return
        self._waiting[namespace] = deque(item for item in waiting if item[0] > position)
        for wanted, future in waiting:
            if wanted <= position and not future.done():
                future.set_result(None)
        if not self._waiting[namespace]:
            del self._waiting[namespace]
