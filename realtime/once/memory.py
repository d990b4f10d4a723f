"""What is remembered of an event, in Django's cache: every process of the site has that."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import caches

from ..conf import settings
from ..protocol.packets import Payload

#: Seconds after which the process that handles an event counts as gone, unless it says otherwise.
LEASE = 30
#: Seconds between two looks at an event that is being handled, at first and at most.
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
#: Times that a cache may have nothing under a name that it says is taken.
PATIENCE = 20

_RUNNING, _DONE = "running", "done"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a handler returned, packed; no payloads where that was too long or could not be sent."""

    parser: str
    payloads: Sequence[Payload] | None
    #: Whether it was still being handled when its repeat came.
    waited: bool


class Memory:
    """Of one event: nothing, that it is being handled, or its answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._mark = (_RUNNING, secrets.token_hex(8))
        self._cache: Any = caches[settings.ONCE_CACHE]

    async def begin(self) -> Answer | None:
        """None if the event is to be handled now; else its answer, once there is one."""
        pause, waited, nothing = FIRST_PAUSE, False, 0
        while not await self._cache.aadd(self.name, self._mark, LEASE):
            found = await self._cache.aget(self.name)
            if found is not None and found[0] == _DONE:
                return Answer(parser=found[1], payloads=found[2], waited=waited)
            waited = True
            nothing = nothing + 1 if found is None else 0
            if nothing > PATIENCE:  # memcached's clients do so where no server answers
                raise RuntimeError(
                    f"the cache {settings.ONCE_CACHE!r} stores nothing: is its server running?"
                )
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
        return None

    async def remember(self, payloads: Sequence[Payload] | None) -> None:
        """The event is handled; keep its answer unless that is too long."""
        if payloads is not None and sum(map(_size, payloads)) > settings.ONCE_ANSWER_BYTES:
            payloads = None
        kept = _DONE, settings.PARSER, payloads
        await self._cache.aset(self.name, kept, settings.ONCE_SECONDS)

    async def forget(self) -> None:
        """The handler failed: the next one that comes is handled."""
        if await self._cache.aget(self.name) == self._mark:
            await self._cache.adelete(self.name)


def _size(payload: Payload) -> int:
    return len(payload if isinstance(payload, bytes) else payload.encode("utf-8", "surrogatepass"))
