"""The store in the Redis of the channel layer: clients come back to any process."""

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Mapping

from ...cluster.bus import Bus
from ...cluster.shortcut import Shortcut
from ...exceptions import ChannelLayerError
from ...node import emissions
from ...node.emissions import Emission
from ...node.keeping import Change
from ..logs import merged
from ..options import Options, of_site, options_of
from ..positions import Position, at, from_text, to_text
from ..sessions import Session
from ..store import Deliver, Entry, Held, Key, Missed, Past, Refused, Store, Wanted
from . import scripts
from .connection import Left, Redis
from .hearing import Hearing
from .records import Records

logger = logging.getLogger("realtime.recovery")

#: Rooms whose logs are read in one step.
AT_ONCE = 500


class RedisStore(Store):
    """`lost` is called with rooms whose members here have missed an event that no log has."""

    carries = True

    def __init__(
        self,
        bus: Bus,
        deliver: Deliver,
        unlogged: Callable[[Emission], None],
        lost: Callable[[Collection[Key], int], None],
    ) -> None:
        self._redis = Redis(bus)
        self._hearing = Hearing(self._redis, bus.node_id, self.missed, deliver, unlogged, lost)
        self._records = Records(self._redis, bus.node_id)
        #: Events and bytes of the logs of rooms that are here, at the last look.
        self._held = (0, 0)

    def start(self) -> None:
        self._hearing.start()

    async def stop(self) -> None:
        with contextlib.suppress(ChannelLayerError):
            await self._records.stop()
        await self._hearing.stop()
        await self._redis.close()

    # Logs

    async def publish(self, emission: Emission) -> None:
        namespace = emission.namespace
        position = await self._redis.log(emission, options_of(namespace) or of_site())
        rooms = (None,) if emission.to is None else emission.to
        await self._hearing.until(namespace, position, [(namespace, room) for room in rooms])

    async def shout(self, emission: Emission) -> None:
        await self._redis.shout(emission)

    def position(self, key: Key) -> Position:
        return self._hearing.position(key)

    def reached(self, namespace: str) -> Position:
        return self._hearing.reached(namespace)

    async def until(self, namespace: str, position: Position, keys: Collection[Key]) -> None:
        await self._hearing.until(namespace, position, keys)

    async def hear(self, keys: Collection[Key]) -> None:
        await self._hearing.hear(keys)

    def ignore(self, keys: Collection[Key]) -> None:
        self._hearing.ignore(keys)

    async def missed(
        self,
        namespace: str,
        since: Mapping[str | None, Position],
        claimed: Position = 0,
        values: Position | None = None,
        certain: Position = 0,
    ) -> Missed:
        found: list[list[Entry]] = []
        upto, whole = None, True
        rooms = list(since)
        for start in range(0, max(len(rooms), 1), AT_ONCE):
            part = {room: since[room] for room in rooms[start : start + AT_ONCE]}
            head, logs, is_whole = await self._read(namespace, part, values, certain)
            upto = head if upto is None else upto
            whole = whole and is_whole
            found += logs
        assert upto is not None
        entries = [entry for entry in merged(found) if entry.position <= upto]
        return Missed(entries, upto, whole and self._is_ours(namespace, claimed, upto))

    @staticmethod
    def _is_ours(namespace: str, claimed: Position, head: Position) -> bool:
        """Whether Redis gave this position, and has lost nothing since, as far as can be seen."""
        if head:
            return claimed <= head
        # A head lasts as long as the events do.
        options = options_of(namespace) or of_site()
        return claimed <= at(time.time() - options.retention / 2)

    def may_have_values(self, keys: Collection[Key]) -> bool:
        return bool(keys)

    async def past(
        self, namespace: str, rooms: Mapping[str | None, Wanted | None]
    ) -> dict[str | None, Past]:
        options, keys = options_of(namespace) or of_site(), [(namespace, room) for room in rooms]
        names = self._redis.names
        counts = [_most(want, options) for want in rooms.values()]
        since = [to_text(0 if want is None else want.since) for want in rooms.values()]
        logs, values = await self._redis.call(
            scripts.PAST, [*map(names.stream, keys), *map(names.values, keys)], [*counts, *since]
        )
        found: dict[str | None, Past] = {}
        for key, log, fields in zip(keys, logs, values, strict=True):
            entries = [self._entry(id, parts) for id, parts in reversed(log)]
            found[key[1]] = Past(entries, self._values(key, fields, options)[0])
            # On its way to those who are there, it would come to this one as well.
            for entry in entries[-1:] + found[key[1]].values[-1:]:
                if entry.position > self._hearing.position(key):
                    await self._hearing.until(namespace, entry.position, [key])
        return found

    def _values(
        self, key: Key, fields: list[bytes], options: Options
    ) -> tuple[list[Entry], Position]:
        """The values of a room, in order, and the last one that was dropped."""
        found, dropped = [], 0
        oldest = at(time.time() - options.value_lasts(key[1]))
        for field, value in zip(fields[::2], fields[1::2], strict=True):
            if field == b"-":
                dropped = _position(value)
            elif field:
                id, _, body = value.split(b" ", 2)
                position = _position(id)
                if position >= oldest:
                    emission = emissions.from_body(self._redis.unpack(body))
                    found.append(Entry(position, emission))
        return sorted(found, key=lambda entry: entry.position), dropped

    async def _read(
        self,
        namespace: str,
        since: Mapping[str | None, Position],
        changed: Position | None,
        certain: Position,
    ) -> tuple[Position, list[list[Entry]], bool]:
        options = options_of(namespace) or of_site()
        names = self._redis.names
        rooms = [(namespace, room) for room in since]
        keys = [names.head(namespace), *map(names.stream, rooms), *map(names.values, rooms)]
        after = [position if changed is None else changed for position in since.values()]
        # One more than there may be.
        args = [options.max_events + 1, *map(to_text, since.values()), *map(to_text, after)]
        head, streams, fields = await self._redis.call(scripts.SINCE, keys, args)
        logs, whole = [], True
        for key, least, found in zip(rooms, after, fields, strict=True):
            values, dropped = self._values(key, found, options)
            whole = whole and dropped <= max(least, since[key[1]], certain)
            logs.append([entry for entry in values if entry.position > least])
        for position, stream in zip(since.values(), streams, strict=True):
            if stream and _position(stream[0][1][1]) > max(position, certain):
                whole = False  # what came before the first of them is no longer there
            logs.append([self._entry(id, fields) for id, fields in stream])
        return _position(head) if head else 0, logs, whole

    def _entry(self, id: bytes, fields: list[bytes]) -> Entry:
        return Entry(_position(id), emissions.from_body(self._redis.unpack(fields[5])))

    # Sessions

    async def take(
        self,
        pid: str,
        namespace: str,
        user: str,
        offset: Position,
        *,
        instead_of: Held | None = None,
    ) -> Session | Held | Refused:
        return await self._records.take(pid, namespace, user, offset, instead_of)

    def keep(self, session: Session) -> None:
        self._records.keep(session)

    def release(self, session: Session) -> None:
        self._records.release(session)

    def drop(self, session: Session) -> None:
        self._records.drop(session)

    async def change(self, change: Change) -> None:
        await self._records.change(change)

    def touch(self, session: Session) -> None:
        self._records.touch(session)

    async def settle(self) -> None:
        with contextlib.suppress(ChannelLayerError):  # it is tried again
            await self._records.settle()

    async def refresh(self, sessions: Collection[Session]) -> list[Session]:
        try:
            self._held = await self._redis.measure(list(self._hearing.rooms))
            return await self._records.refresh(sessions)
        except ChannelLayerError as error:
            logger.warning("recovery sessions are not refreshed for now: %s", error)
            return []

    def readings(self) -> dict[str, float]:
        return {
            "recovery_sessions": len(self._records),
            "recovery_logs": len(self._hearing.rooms),
            "recovery_events": self._held[0],
            "recovery_bytes": self._held[1],
        }


def _most(want: Wanted | None, options: Options) -> int:
    """How many events of a log a newcomer gets at most."""
    if want is None:
        return 0
    return options.max_events if want.last is None else min(want.last, options.max_events)


def _position(text: bytes) -> Position:
    position = from_text(text.decode())
    assert position is not None  # an id that our own script made
    return position


class Writer:
    """The same for a process without sockets, which only emits."""

    def __init__(self, bus: Bus) -> None:
        self._redis = Redis(bus)

    def covers(self, namespace: str) -> bool:
        return options_of(namespace) is not None

    async def publish(self, emission: Emission) -> None:
        if emission.volatile:
            await self._redis.shout(emission)
        else:
            await self._redis.log(emission, options_of(emission.namespace) or of_site())

    def publish_by(self, shortcut: Shortcut, emission: Emission) -> Left:
        if emission.volatile:
            return self._redis.shout_by(shortcut, emission)
        return self._redis.log_by(shortcut, emission, options_of(emission.namespace) or of_site())

    async def stop(self) -> None:
        await self._redis.close()
