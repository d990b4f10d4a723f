"""The web server's own end after so many requests: our connections end quietly before it, too."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..engine.transports.uvicorn import RequestLimit

logger = logging.getLogger("realtime.server")

#: Seconds between two looks; uvicorn's own are as far apart.
TICK = 0.1


class LimitWatch:
    """Awaits `stop` when the limit is reached, and then lets the server end."""

    def __init__(self, stop: Callable[[], Awaitable[None]]) -> None:
        self._stop = stop
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        """Watch the limit of the server of this process, if it has one; before its signals are."""
        limit = RequestLimit.take()
        if limit is not None:
            self._task = asyncio.get_running_loop().create_task(self._watch(limit))

    async def _watch(self, limit: RequestLimit) -> None:
        # The server counts answers, and tells nobody.
        while not limit.reached:  # noqa: ASYNC110
            await asyncio.sleep(TICK)
        logger.info("the web server's limit of %d requests is reached", limit.requests)
        try:
            await self._stop()
        finally:
            limit.end()
