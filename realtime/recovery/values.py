"""The newest value of each key, in the memory of one process."""

from collections import OrderedDict

from ..node.emissions import Emission
from .options import Options
from .positions import Position, at
from .store import Entry, Key

#: A key within its room: the name of the event is a part of it.
Field = tuple[str, str]
#: What a value takes in memory beside its messages.
VALUE = 1_000


class RoomValues:
    """The values of one room, the least recently changed first."""

    __slots__ = ("dropped", "of", "options")

    def __init__(self, options: Options) -> None:
        self.options = options
        self.of: OrderedDict[Field, tuple[Entry, int]] = OrderedDict()
        #: The position of the last value that was forgotten for lack of room.
        self.dropped: Position = 0


class Values:
    """The values of all rooms. `bytes` is what they take."""

    def __init__(self) -> None:
        self.bytes = 0
        self._rooms: dict[Key, RoomValues] = {}
        #: All of them, the least recently changed first.
        self._order: OrderedDict[tuple[Key, Field], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._order)

    def put(self, key: Key, position: Position, emission: Emission, options: Options) -> None:
        """An event has the newest value of its key."""
        assert emission.retain is not None  # the caller has looked
        field = (emission.event, emission.retain)
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = RoomValues(options)
        room.options = options
        size = VALUE + sum(map(len, emission.messages))
        _, old = room.of.pop(field, (None, 0))
        room.of[field] = (Entry(position, emission), size)
        self._order[key, field] = None
        self._order.move_to_end((key, field))
        self.bytes += size - old
        if len(room.of) > options.max_retained:
            self._forget(key, next(iter(room.of)), for_lack_of_room=True)

    def of(self, key: Key) -> list[Entry]:
        """The values of a room, in order."""
        room = self._rooms.get(key)
        return [] if room is None else [entry for entry, _ in room.of.values()]

    def dropped(self, key: Key) -> Position:
        """The position of the last value of a room that was forgotten for lack of room."""
        room = self._rooms.get(key)
        return 0 if room is None else room.dropped

    def since(self, key: Key, position: Position) -> list[Entry]:
        """Those that changed after a position, in order."""
        room = self._rooms.get(key)
        if room is None:
            return []
        found = []
        for entry, _ in reversed(room.of.values()):
            if entry.position <= position:
                break
            found.append(entry)
        found.reverse()
        return found

    def sweep(self, now: float) -> None:
        """Forget what is too old, in seconds since the epoch."""
        # Each room has its own time: one that lasts long keeps none of another's.
        for key, room in list(self._rooms.items()):
            oldest = at(now - room.options.value_lasts(key[1]))
            while room.of:
                field, (entry, _) = next(iter(room.of.items()))
                if entry.position >= oldest:
                    break
                self._forget(key, field)

    def drop_oldest(self) -> bool:
        """Forget the value that changed least recently; False if there is none."""
        if not self._order:
            return False
        self._forget(*next(iter(self._order)), for_lack_of_room=True)
        return True

    def _forget(self, key: Key, field: Field, *, for_lack_of_room: bool = False) -> None:
        room = self._rooms[key]
        entry, size = room.of.pop(field)
        del self._order[key, field]
        self.bytes -= size
        if for_lack_of_room:
            room.dropped = entry.position
        if not room.of:
            del self._rooms[key]
