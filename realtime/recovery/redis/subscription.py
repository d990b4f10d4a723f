"""The channels on which one node hears events, over a connection of its own.

Redis tells all of them in the order in which it logged them, as long as the connection holds.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any

from ...aio.tasks import Tasks
from ...cluster.layers import cause
from ...conf import settings
from ...metrics.counters import count

logger = logging.getLogger("realtime.recovery")

#: Seconds between two signs of life that Redis is asked for, and after which it counts as gone.
PING = 1.0
SILENCE = 5.0
#: Seconds between two tries to connect.
RETRY = 0.5
#: Channels that say nothing, subscribed to before and after all others.
FIRST, LAST = "realtime.first", "realtime.last"
#: Channels in one command.
AT_ONCE = 1_000


class Subscription:
    """Subscribes again by itself. `heard` gets the messages; `anew` is awaited once all channels of
    a new connection are subscribed to, and what came before that may have passed us by."""

    def __init__(
        self,
        client: Any,
        heard: Callable[[str, bytes], None],
        anew: Callable[[], Awaitable[None]],
        broken: Callable[[], None],
    ) -> None:
        self._client = client
        self._heard = heard
        self._anew = anew
        self._broken = broken
        self._wanted: set[str] = set()
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._pubsub: Any = None
        self._tasks = Tasks()
        self._in_trouble = False

    def start(self) -> None:
        self._tasks.start(self._listen())

    async def stop(self) -> None:
        await self._tasks.end()

    async def add(self, channels: Collection[str]) -> bool:
        """Hear these channels; False where it will be later, for there is no connection."""
        self._wanted.update(channels)
        pubsub = self._pubsub
        if pubsub is None:
            return False
        loop = asyncio.get_running_loop()
        waiting = [
            self._confirmed.setdefault(channel, loop.create_future()) for channel in channels
        ]
        try:
            async with asyncio.timeout(settings.EMIT_TIMEOUT):
                await pubsub.subscribe(*channels)
                await asyncio.gather(*map(asyncio.shield, waiting))
        except Exception as error:  # each library has errors of its own; the listener sees it, too
            self._trouble(error)
            return False
        return True

    async def remove(self, channels: Collection[str]) -> None:
        """Hear them no more."""
        self._wanted.difference_update(channels)
        if self._pubsub is not None:
            with contextlib.suppress(Exception):  # the listener sees it, too
                await self._pubsub.unsubscribe(*channels)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await self._begin(pubsub)
                    await self._read(pubsub)
            except Exception as error:  # as above: whatever it is, the next connection is tried
                self._trouble(error)
            self._end()
            await asyncio.sleep(RETRY)

    async def _begin(self, pubsub: Any) -> None:
        """Subscribe to what is wanted; those who come from now on do so by themselves."""
        # Alone, for it takes a connection: two that did so at once would each get one.
        await pubsub.subscribe(FIRST)
        done: set[str] = set()
        while missing := self._wanted - done:  # what comes meanwhile is missing, too
            for part in _parts(list(missing)):
                await pubsub.subscribe(*part)
            done |= missing
        self._pubsub = pubsub
        everything = self._confirmed[LAST] = asyncio.get_running_loop().create_future()
        await pubsub.subscribe(LAST)
        self._tasks.start(self._catch_up(everything))

    async def _catch_up(self, everything: asyncio.Future[None]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await everything
            await self._anew()
            if self._in_trouble:
                self._in_trouble = False
                logger.warning("the recovery logs in Redis are available again")

    async def _read(self, pubsub: Any) -> None:
        heard_at = time.monotonic()
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=False, timeout=PING)
            if message is not None:
                heard_at = time.monotonic()
                self._take(message)
            elif time.monotonic() - heard_at > SILENCE:
                raise TimeoutError(f"Redis was silent for {SILENCE:g} s")
            else:
                await pubsub.ping()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            try:
                self._heard(message["channel"].decode(), message["data"])
            except Exception:
                count("layer.malformed")
                logger.exception("an event from the log could not be handled")
        elif message["type"] == "subscribe":
            confirmed = self._confirmed.pop(message["channel"].decode(), None)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)

    def _end(self) -> None:
        self._pubsub = None
        confirmed, self._confirmed = self._confirmed, {}
        for future in confirmed.values():
            future.cancel()
        self._broken()

    def _trouble(self, error: Exception) -> None:
        count("layer.errors")
        if not self._in_trouble:
            self._in_trouble = True
            logger.error(
                "the recovery logs in Redis can't be reached: %s. Clients get what they miss now"
                " when Redis is back.",
                cause(error),
            )


def _parts(channels: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(channels), AT_ONCE):
        yield channels[start : start + AT_ONCE]
