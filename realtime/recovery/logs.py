"""The logs of one process, in memory."""

from collections import deque
from collections.abc import Iterable

from ..node.emissions import Emission
from .options import Options
from .positions import Position, at
from .store import Entry, Key, Past, Wanted
from .values import Values

#: What an entry takes in memory beside its messages.
ENTRY = 600
#: An entry and the bytes that it takes. A plain tuple: there is one for each emit.
Sized = tuple[Position, Emission, int]


class Log:
    """What was said in one room, as far back as the options say."""

    __slots__ = ("bytes", "dropped", "entries", "key", "options", "overtaken")

    def __init__(self, key: Key, options: Options) -> None:
        self.key = key
        self.options = options
        self.entries: deque[Sized] = deque()
        self.bytes = 0
        #: The position of the last event that is no longer there.
        self.dropped: Position = 0
        #: Events that were dropped before it was their turn among those of all logs.
        self.overtaken = 0

    @property
    def is_full(self) -> bool:
        """Whether it has more than it may."""
        options, events = self.options, len(self.entries)
        return events > options.max_events or (self.bytes > options.max_bytes and events > 1)

    @property
    def lasts(self) -> float:
        """Seconds that it keeps an event."""
        return self.options.event_lasts(self.key[1])

    def drop(self) -> int:
        """Forget the oldest event; the bytes that it took."""
        self.dropped, _, size = self.entries.popleft()
        self.bytes -= size
        return size


class Logs:
    """All logs of a process. Its memory is bounded, for each and for all."""

    def __init__(self) -> None:
        self.bytes = 0
        #: Of events with a key the newest alone is kept, and not in the logs.
        self.values = Values()
        self._logs: dict[Key, Log] = {}
        #: The log of each event, the oldest first.
        self._order: deque[Log] = deque()
        #: The position of the last event that was forgotten for lack of memory.
        self._forgotten: Position = 0

    def __len__(self) -> int:
        return len(self._logs)

    @property
    def events(self) -> int:
        """How many events there are; one to two rooms counts twice."""
        return sum(len(log.entries) for log in list(self._logs.values()))

    def add(self, position: Position, emission: Emission, options: Options, limit: int) -> None:
        """Log an event in each of the rooms that it is for; `limit` are the bytes of all logs."""
        if emission.retain is not None:
            self._retain(position, emission, options, limit)
            return
        messages = emission.messages
        size = ENTRY + (len(messages[0]) if len(messages) == 1 else sum(map(len, messages)))
        entry = (position, emission, size)
        namespace, to = emission.namespace, emission.to
        for room in (None,) if to is None else to:
            log = self._logs.get((namespace, room))
            if log is None:
                log = self._logs[namespace, room] = Log((namespace, room), options)
            log.entries.append(entry)
            log.bytes += size
            self.bytes += size
            self._order.append(log)
            if log.bytes > options.max_bytes or len(log.entries) > options.max_events:
                self._shorten(log, options)
        if self.bytes + self.values.bytes > limit:
            self._shrink(limit)

    def _retain(self, position: Position, emission: Emission, options: Options, limit: int) -> None:
        for room in (None,) if emission.to is None else emission.to:
            self.values.put((emission.namespace, room), position, emission, options)
        if self.bytes + self.values.bytes > limit:
            self._shrink(limit)

    def _shorten(self, log: Log, options: Options) -> None:
        log.options = options  # those of now
        while log.is_full:
            self.bytes -= log.drop()
            log.overtaken += 1

    def _shrink(self, limit: int) -> None:
        while self.bytes + self.values.bytes > limit and self._order:
            self._drop_oldest(for_lack_of_memory=True)
        # A value is worth more than what was said.
        while self.bytes + self.values.bytes > limit and self.values.drop_oldest():
            pass

    def sweep(self, now: float) -> None:
        """Forget what is too old, in seconds since the epoch."""
        self.values.sweep(now)
        while self._order:
            log = self._order[0]
            if not log.overtaken and log.entries[0][0] >= at(now - log.lasts):
                break
            self._drop_oldest()

    def _drop_oldest(self, *, for_lack_of_memory: bool = False) -> None:
        log = self._order.popleft()
        if log.overtaken:
            log.overtaken -= 1
        else:
            self.bytes -= log.drop()
            if for_lack_of_memory:
                self._forgotten = max(self._forgotten, log.dropped)
        if not log.entries and not log.overtaken:
            self._logs.pop(log.key, None)

    def since(
        self,
        key: Key,
        position: Position,
        changed: Position | None = None,
        certain: Position = 0,
    ) -> list[Entry] | None:
        """The events of a room after a position, and values since `changed`, if that is another.

        None if there were more, later than `certain`.
        """
        log = self._logs.get(key)
        least = max(position, certain)
        if least < self._forgotten or (log is not None and least < log.dropped):
            return None
        found = []
        for entry in reversed(() if log is None else log.entries):
            if entry[0] <= position:
                break
            found.append(Entry(*entry[:2]))
        found.reverse()
        if least < self.values.dropped(key):
            return None
        values = self.values.since(key, position if changed is None else changed)
        return merged([found, values]) if values else found

    def past(self, key: Key, want: Wanted | None) -> Past:
        """What a newcomer to a room gets: as much of its log as there is, and its values."""
        found: list[Entry] = []
        log = self._logs.get(key)
        if want is not None and log is not None:
            for position, emission, _ in reversed(log.entries):
                if position <= want.since or len(found) == want.last:
                    break
                found.append(Entry(position, emission))
        found.reverse()
        return Past(found, self.values.of(key))


def merged(found: Iterable[list[Entry]]) -> list[Entry]:
    """Events of several rooms in their order, each once."""
    entries = {entry.position: entry for part in found for entry in part}
    return [entries[position] for position in sorted(entries)]
