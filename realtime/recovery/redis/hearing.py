"""What one node hears of the logs: each event once, in the order of its namespace, none left out.

Positions rise over all rooms of a namespace, and Redis tells events in their order. Each message
names the position of the one before it in its room. Where a message did not come, or the
connection was lost, the log is asked for what is missing.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Collection, Mapping

from ...aio.tasks import Tasks
from ...cluster.remembered import Remembered
from ...exceptions import ChannelLayerError
from ...metrics.counters import count
from ...node import emissions
from ...node.emissions import Emission
from ..positions import Position, at, from_text
from ..store import Deliver, Key, Missed
from .connection import Redis
from .subscription import RETRY, Subscription
from .waiting import Waiting

logger = logging.getLogger("realtime.recovery")

#: Messages that may wait while the log is read; with more of them, the log is read once more.
MAX_QUEUED = 10_000
#: Seconds after which an event that this node logged, and has not heard, is looked for in the log.
OVERDUE = 1.0
#: Seconds for which a room is heard after its last socket left, for clients that come back.
LINGER = 10.0

Message = tuple[Key, bytes]


class Hearing:
    """Hears the rooms of this node's sockets."""

    def __init__(
        self,
        redis: Redis,
        node_id: str,
        since: Callable[[str, Mapping[str | None, Position]], Awaitable[Missed]],
        deliver: Deliver,
        unlogged: Callable[[Emission], None],
        lost: Callable[[Collection[Key], int], None],
    ) -> None:
        self._redis = redis
        self._node_id = node_id
        self._since = since
        self._deliver = deliver
        self._unlogged = unlogged
        self._lost = lost
        self._subscription = Subscription(redis.client, self._heard, self._anew, self._broken)
        self._keys: dict[str, Key] = {}
        #: How many sockets need a room.
        self._needed: Counter[Key] = Counter()
        #: Up to where all events of a namespace, and of a room, were delivered here. A room is in
        #: it once it is certain that all later ones are heard.
        self._positions: dict[str, Position] = defaultdict(int)
        self._tails: dict[Key, Position] = {}
        #: Rooms that are about to be heard, with the last event that came meanwhile.
        self._opening: dict[Key, Position] = {}
        #: Rooms that were to be heard while Redis was away, and from where on.
        self._begun: dict[Key, Position] = {}
        #: How many rooms of a namespace are heard.
        self._heard_in: Counter[str] = Counter()
        #: A room is not opened while the log is read, which would not be asked for it.
        self._lock = asyncio.Lock()
        #: Messages that wait, while the log is read; None while it is not.
        self._queue: deque[Message] | None = deque()
        self._overflown = False
        self._waiting = Waiting()
        # Bound once, for it is called with each event.
        self._reached = self._waiting.reached
        self._seen = Remembered()
        self._tasks = Tasks()

    def start(self) -> None:
        self._subscription.start()

    async def stop(self) -> None:
        await self._tasks.end()
        await self._subscription.stop()

    # Rooms

    def position(self, key: Key) -> Position:
        """All that a room said up to here was delivered."""
        known = self._positions.get(key[0], 0)
        return max(known, self._tails.get(key, 0), self._begun.get(key, 0))

    def reached(self, namespace: str) -> Position:
        """All events up to here were delivered, to whichever room here."""
        return self._positions.get(namespace, 0)

    @property
    def rooms(self) -> Collection[Key]:
        """The rooms that are heard."""
        return self._tails.keys()

    async def hear(self, keys: Collection[Key]) -> None:
        """Hear rooms for one more socket. While Redis is away they are heard later."""
        for key in keys:
            self._needed[key] += 1
            self._keys[self._redis.names.channel(key)] = key
        new = [key for key in keys if key not in self._tails]
        if not new:
            return
        for key in new:
            self._opening.setdefault(key, 0)
        if await self._subscription.add([self._redis.names.channel(key) for key in new]):
            with contextlib.suppress(ChannelLayerError):
                async with self._lock:
                    await self._open(new)
                return
        # By our own clock, which is about that of Redis; `_read` goes on from there.
        self._begun.update((key, at(time.time())) for key in new if key in self._opening)

    async def _open(self, keys: Collection[Key]) -> None:
        """Rooms are subscribed to: begin with what comes from now on."""
        for namespace in {key[0] for key in keys}:
            head = (await self._since(namespace, {})).upto
            for key in keys:
                if key[0] == namespace and key in self._opening:
                    self._opened(key, head)

    def _opened(self, key: Key, head: Position) -> None:
        self._tails[key] = max(head, self._opening.pop(key), self._positions[key[0]])
        self._begun.pop(key, None)
        self._heard_in[key[0]] += 1

    def ignore(self, keys: Collection[Key]) -> None:
        """One socket less needs these rooms."""
        for key in keys:
            self._needed[key] -= 1
            if self._needed[key] <= 0:
                del self._needed[key]
                asyncio.get_running_loop().call_later(LINGER, self._leave, key)

    def _leave(self, key: Key) -> None:
        if key in self._needed:
            return
        self._opening.pop(key, None)
        self._begun.pop(key, None)
        if self._tails.pop(key, None) is not None:
            self._heard_in[key[0]] -= 1
            if not self._heard_in[key[0]]:
                del self._heard_in[key[0]]
                self._positions.pop(key[0], None)
        channel = self._redis.names.channel(key)
        self._keys.pop(channel, None)
        self._tasks.start(self._unsubscribe(key, channel))

    async def _unsubscribe(self, key: Key, channel: str) -> None:
        await self._subscription.remove([channel])
        if key in self._needed:  # a socket came while we were leaving
            self._needed[key] -= 1  # which `hear` counts again
            await self.hear([key])

    # Messages

    def _heard(self, channel: str, payload: bytes) -> None:
        key = self._keys.get(channel)
        if key is None:
            return
        if self._queue is None:
            self._take(key, payload)
        elif len(self._queue) < MAX_QUEUED:
            self._queue.append((key, payload))
        else:
            self._overflown = True

    def _take(self, key: Key, payload: bytes) -> None:
        id, before, body = payload.split(b" ", 2)
        if id == b"-":
            self._take_unlogged(before.decode(), body)
            return
        position, previous = from_text(id.decode()), from_text(before.decode())
        assert position is not None and previous is not None
        tail = self._tails.get(key)
        if tail is None:
            if key in self._opening:
                self._opening[key] = position
            return
        if position <= tail:
            return
        if previous > tail:  # one did not come
            count("recovery.gaps")
            self._read_the_log()
            self._heard(self._redis.names.channel(key), payload)
            return
        self._tails[key] = position
        if position > self._positions[key[0]]:
            emission = emissions.from_body(self._redis.unpack(body))
            self._hand_on(position, emission)

    def _take_unlogged(self, tag: str, body: bytes) -> None:
        # Our own were delivered when they were emitted; one to several rooms comes several times.
        if not tag.startswith(f"{self._node_id}.") and not self._seen.note(tag):
            self._unlogged(emissions.from_body(self._redis.unpack(body)))

    def _hand_on(self, position: Position, emission: Emission) -> None:
        namespace = emission.namespace
        self._positions[namespace] = position
        try:
            self._deliver(position, emission)
        finally:
            self._reached(namespace, position)

    async def until(self, namespace: str, position: Position, keys: Collection[Key]) -> None:
        """Wait until an event that this node logged was delivered here, if it is for anybody."""
        if self._positions.get(namespace, 0) >= position:
            return
        if not any(key in self._needed for key in keys):
            return
        future = self._waiting.expect(namespace, position)
        done, _ = await asyncio.wait([future], timeout=OVERDUE)
        if not done and self._queue is None:
            self._read_the_log()
            await asyncio.wait([future], timeout=OVERDUE)

    # Reading the log

    def _broken(self) -> None:
        """The connection is lost: until there is another one, nothing is heard."""
        if self._queue is None:
            self._queue = deque()

    async def _anew(self) -> None:
        """All rooms are subscribed to again: read what was missed before what came since."""
        if self._queue is None:
            self._queue = deque()
        await self._read()

    def _read_the_log(self) -> None:
        if self._queue is None:
            self._queue = deque()
            self._tasks.start(self._read())

    async def _read(self) -> None:
        while True:
            self._overflown = False
            try:
                for namespace, keys in self._by_namespace().items():
                    async with self._lock:
                        await self._read_namespace(namespace, keys)
            except ChannelLayerError as error:
                logger.debug("the log could not be read; it is tried again soon: %s", error)
                await asyncio.sleep(RETRY)
            else:
                if not self._overflown:
                    break
                if self._queue is not None:
                    self._queue.clear()
        queue, self._queue = self._queue, None
        for key, payload in queue or ():
            self._heard(self._redis.names.channel(key), payload)

    def _by_namespace(self) -> dict[str, list[Key]]:
        found: dict[str, list[Key]] = defaultdict(list)
        for key in (*self._tails, *self._begun):
            found[key[0]].append(key)
        return found

    async def _read_namespace(self, namespace: str, keys: list[Key]) -> None:
        # Some may have been left since.
        keys = [key for key in keys if key in self._tails or key in self._begun]
        missed = await self._since(namespace, {key[1]: self.position(key) for key in keys})
        if not missed.whole:
            count("lost")
            self._lost(keys, 1)
        for entry in missed.entries:
            if entry.position > self._positions[namespace]:
                self._hand_on(entry.position, entry.emission)
        for key in keys:
            if key in self._tails:
                self._tails[key] = max(self._tails[key], missed.upto)
            elif key in self._opening:
                self._opened(key, missed.upto)
