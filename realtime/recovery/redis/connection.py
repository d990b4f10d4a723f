"""The Redis of the channel layer, as the store uses it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from typing import Any

from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import OutOfMemoryError, ResponseError

from ...cluster.bus import AT_A_TIME, MAX_WAITING, Bus
from ...cluster.layers import TRIES, close_client, layer_error, redis_client, redis_prefix
from ...cluster.lines import Detour
from ...cluster.shortcut import Shortcut
from ...conf import settings
from ...exceptions import ChannelLayerError
from ...metrics.counters import count
from ...node import emissions
from ...node.emissions import Emission
from ..options import Options
from ..positions import Position, from_text
from ..store import Key
from . import scripts
from .names import Names

#: Logs that are measured in one go.
AT_ONCE = 500
#: What a broken connection, or one to a Redis that has just restarted, fails with.
BROKEN = (BrokenConnection, OSError)

#: A script that logs, its keys, and its arguments for the first time.
Logging = tuple[str, list[str], list[Any]]
#: What is left for the event loop to do.
Left = Coroutine[Any, Any, object] | None


class Redis:
    """One process's connections, and what it writes to logs. Raises ChannelLayerError."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.names = Names(redis_prefix(), bus.site.digest)
        self.client = redis_client()
        self._gate = asyncio.Semaphore(AT_A_TIME)
        self._waiting = 0
        self._tags = itertools.count()
        self._scripts = {
            text: self.client.register_script(text)
            for text in (
                scripts.LOG,
                scripts.RETAIN,
                scripts.SINCE,
                scripts.PAST,
                scripts.TAKE,
                scripts.KEEP,
                scripts.CHANGE,
                scripts.REFRESH,
                scripts.DROP,
            )
        }

    def pack(self, body: dict[str, Any]) -> bytes:
        """A body as the channel layer would write it, encrypted if that does so."""
        packed: bytes = self._bus.layer.serialize(body)
        return packed

    def unpack(self, packed: bytes) -> dict[str, Any]:
        """What `pack` packed."""
        body: dict[str, Any] = self._bus.layer.deserialize(packed)
        return body

    async def log(self, emission: Emission, options: Options) -> Position:
        """Log an event, once however often it has to be tried; its position."""
        script, keys, first = self._logging(emission, options)
        return await self._once(script, keys, [first, *[_again(first)] * (TRIES - 1)])

    def log_by(self, shortcut: Shortcut, emission: Emission, options: Options) -> Left:
        """The same from any thread; what is left for the event loop. Raises TimeoutError."""
        script, keys, first = self._logging(emission, options)
        try:
            shortcut.ask(("EVALSHA", self._scripts[script].sha, len(keys), *keys, *first))
        except Detour as detour:  # it is tried once more, or Redis has no such script yet
            now = _again(first) if detour.may_be_done else first
            return self._once(script, keys, [now, *[_again(first)] * (TRIES - 1)])
        return None

    def _logging(self, emission: Emission, options: Options) -> Logging:
        if emission.retain is not None:
            return self._retaining(emission, options)
        keys, tag, body = self._parts(emission)
        first: list[Any] = [
            options.max_events,
            int(options.retention * 1000),
            options.max_bytes,
            tag,
            "0",
            body,
            *map(self.names.channel, keys),
            *(int(1000 * options.event_lasts(room)) for _, room in keys),
        ]
        names = self.names
        streams = [*map(names.stream, keys), *map(names.values, keys)]
        return scripts.LOG, [names.head(emission.namespace), *streams], first

    def _retaining(self, emission: Emission, options: Options) -> Logging:
        """For an event that is to be the newest value of its key."""
        keys, tag, body = self._parts(emission)
        first: list[Any] = [
            options.max_retained,
            int(options.retention * 1000),
            options.max_bytes,
            tag,
            "0",
            body,
            f"{len(emission.event)}:{emission.event}{emission.retain}".encode(errors="replace"),
            *map(self.names.channel, keys),
            *(int(1000 * options.value_lasts(room)) for _, room in keys),
        ]
        names = self.names
        kept = [*map(names.stream, keys), *map(names.values, keys), *map(names.ages, keys)]
        return scripts.RETAIN, [names.head(emission.namespace), *kept], first

    async def _once(self, script: str, keys: Sequence[str], tries: Sequence[list[Any]]) -> Position:
        """Run a script that logs; its arguments say where it runs for the second time."""
        id = await self._run(script, keys, tries)
        position = from_text(id.decode())
        assert position is not None  # the script made it
        return position

    async def shout(self, emission: Emission) -> None:
        """Tell the other nodes of an event that is not logged."""
        await self._publish(self._shouts(emission))

    def shout_by(self, shortcut: Shortcut, emission: Emission) -> Left:
        """The same from any thread; what is left for the event loop. Raises TimeoutError."""
        shouts = self._shouts(emission)
        try:
            shortcut.ask(*(("PUBLISH", channel, payload) for channel, payload in shouts))
        except Detour:
            return self._publish(shouts)
        return None

    def _shouts(self, emission: Emission) -> list[tuple[str, bytes]]:
        keys, tag, body = self._parts(emission)
        payload = b" ".join((b"-", tag.encode(), body))
        return [(self.names.channel(key), payload) for key in keys]

    async def _publish(self, shouts: Iterable[tuple[str, bytes]]) -> None:
        async with self._bounded(), self.client.pipeline(transaction=False) as pipe:
            for channel, payload in shouts:
                pipe.publish(channel, payload)
            await pipe.execute()

    async def call(self, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run a script that does no harm if it runs twice."""
        return await self._run(script, keys, [args] * TRIES)

    async def measure(self, keys: Sequence[Key]) -> tuple[int, int]:
        """The events and bytes of the logs of some rooms, their values included."""
        events = size = 0
        for start in range(0, len(keys), AT_ONCE):
            async with self._bounded(), self.client.pipeline(transaction=False) as pipe:
                for key in keys[start : start + AT_ONCE]:
                    pipe.xlen(self.names.stream(key))
                    pipe.memory_usage(self.names.stream(key))
                    pipe.zcard(self.names.ages(key))
                    pipe.memory_usage(self.names.values(key))
                found = await pipe.execute()
            events += sum(found[0::2])
            size += sum(bytes_ or 0 for bytes_ in found[1::2])
        return events, size

    async def pipelined(self, calls: Sequence[tuple[str, list[str], list[Any]]]) -> list[Any]:
        """Run scripts that do no harm if they run twice, in one go; what each returned."""
        if not calls:
            return []
        async with self._bounded():
            for _ in range(TRIES - 1):
                with contextlib.suppress(*BROKEN):
                    return await self._pipelined(calls)
            return await self._pipelined(calls)

    async def _pipelined(self, calls: Sequence[tuple[str, list[str], list[Any]]]) -> list[Any]:
        async with self.client.pipeline(transaction=False) as pipe:
            for text, keys, args in calls:
                await self._scripts[text](keys, args, client=pipe)
            found: list[Any] = await pipe.execute()
            return found

    def _parts(self, emission: Emission) -> tuple[list[Key], str, bytes]:
        """The rooms of an event, its tag, which no other has, and its body."""
        rooms = (None,) if emission.to is None else emission.to
        keys: list[Key] = [(emission.namespace, room) for room in rooms]
        tag = f"{self._bus.node_id}.{next(self._tags)}"
        return keys, tag, self.pack(emissions.to_body(emission))

    async def _run(self, text: str, keys: Sequence[str], tries: Sequence[Sequence[Any]]) -> Any:
        script = self._scripts[text]
        async with self._bounded():
            for args in tries[:-1]:
                with contextlib.suppress(*BROKEN):
                    return await script(keys, args)
            return await script(keys, tries[-1])

    @contextlib.asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Calls in this block are bounded in number and time, and fail as the layer's do."""
        if self._waiting >= MAX_WAITING:
            count("layer.refused")
            raise ChannelLayerError(
                f"{MAX_WAITING} events already wait for Redis, which hangs or is too slow; this"
                " one was not sent"
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(settings.EMIT_TIMEOUT), self._gate:
                yield
        except Exception as error:  # each library has errors of its own; none may pass for success
            count("layer.failed")
            raise layer_error(error) from error
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Close the connections."""
        await close_client(self.client)


def _again(first: list[Any]) -> list[Any]:
    """The arguments of a script that logs, for its second time."""
    return [*first[:4], "1", *first[5:]]


def is_full(error: ChannelLayerError) -> bool:
    """Whether Redis refused to write for lack of memory."""
    why = error.__cause__
    if isinstance(why, OutOfMemoryError):
        return True
    # Of a script, Redis 6 says so within a text of its own.
    return isinstance(why, ResponseError) and "OOM" in str(why)
