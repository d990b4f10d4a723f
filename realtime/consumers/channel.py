"""A consumer's channel on a layer of Channels', and the groups that it is in."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ..aio.tasks import end
from ..cluster.layers import OwnChannel, own_channel
from ..conf import settings

logger = logging.getLogger("realtime.consumers")

#: Seconds between two tries to read from a layer that fails.
PAUSE = 1.0

#: Seconds between two lines of the log about that, however many consumers it concerns.
QUIET = 60.0
_said: list[float] = []

Put = Callable[[dict[str, Any]], Awaitable[None]]


class GroupLayer:
    """A channel layer as its consumer sees it: it knows which groups the consumer has joined.

    So these can be left when the consumer ends, and joined again when the layer has forgotten them.
    All else is the layer's own.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.channel: Channel | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def open(self, put: Put) -> None:
        """Open the consumer's channel, in the running loop."""
        if self.channel is None:  # another thread may have been first
            self.channel = Channel(self._layer, own_channel(self._layer), put)

    async def group_add(self, group: str, channel: str) -> None:
        own = self._own(channel)
        if own is not None:
            await own.is_known()
            own.groups.add(group)
        await self._layer.group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await self._layer.group_discard(group, channel)
        if own := self._own(channel):
            own.groups.discard(group)

    def _own(self, channel: str) -> "Channel | None":
        return self.channel if self.channel and self.channel.name == channel else None


class Channel:
    """What a consumer receives from its layer: each message is handed to `put`, in order."""

    def __init__(self, layer: Any, own: OwnChannel, put: Put) -> None:
        self.name = own.name
        #: What it joined, and has not left.
        self.groups: set[str] = set()
        self._layer = layer
        self._put = put
        self._announce = own.announce
        self._announcing = asyncio.ensure_future(own.announce())
        self._reading = asyncio.ensure_future(self._read())

    async def is_known(self) -> None:
        """Wait until the layer knows the channel. Raises what the layer does."""
        if self._announcing.done() and self._announcing.exception() is not None:
            self._announcing = asyncio.ensure_future(self._announce())
        await asyncio.shield(self._announcing)

    async def close(self) -> None:
        """Leave the groups, and read no more."""
        try:
            async with asyncio.timeout(settings.EMIT_TIMEOUT):
                for group in tuple(self.groups):
                    await self._layer.group_discard(group, self.name)
        except Exception as error:
            logger.warning("a consumer could not leave its groups: %r", error)
        finally:
            await end([self._announcing, self._reading])

    async def _read(self) -> None:
        is_down = False
        while True:
            try:
                await self.is_known()
                if is_down:  # what it has forgotten meanwhile it is told again
                    for group in tuple(self.groups):
                        await self._layer.group_add(group, self.name)
                    is_down = False
                message = await self._layer.receive(self.name)
            except Exception as error:
                _say_down(error)
                is_down = True
                await asyncio.sleep(PAUSE)
            else:
                await self._put(message)


def _say_down(error: Exception) -> None:
    now = time.monotonic()
    if not _said or now - _said[0] >= QUIET:
        _said[:] = [now]
        logger.error("groups are not heard while the channel layer fails: %r", error)
