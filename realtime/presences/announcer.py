"""The signals of presence: one after the other, so that nobody leaves before they joined."""

import asyncio
from typing import Any

from django.dispatch import Signal

from ..node.threads import lanes
from ..signals import presence_joined, presence_left
from .room import RoomKey
from .table import Transition


class Announcer:
    """Sends `presence_joined` and `presence_left`; its task begins with the first one to send."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[tuple[Signal, dict[str, Any]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def announce(self, key: RoomKey, transition: Transition) -> None:
        """Send a signal soon, if it has receivers."""
        signal = presence_joined if transition.joined else presence_left
        if not signal.receivers:
            return
        namespace, room = key
        facts = {"namespace": namespace, "room": room, "user": transition.user}
        self._waiting.put_nowait((signal, facts))
        if self._task is None:
            self._task = asyncio.ensure_future(self._send_all())

    async def stop(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send_all(self) -> None:
        while True:
            signal, facts = await self._waiting.get()
            lane = lanes().acquire()
            try:
                await signal.asend_robust(None, **facts)
            finally:
                lanes().release(lane)
