"""How many events a room gets in a minute: counted while they pass, estimated when asked. Pure."""

#: Seconds that one count covers, before it becomes the previous one.
WINDOW = 60.0

Room = tuple[str, str]


class RoomRates:
    """Two counts by (namespace, room), of this window and of the one before.

    Rooms that got no event in two windows take no memory.
    """

    __slots__ = ("_current", "_previous", "_since")

    def __init__(self, now: float) -> None:
        self._current: dict[Room, int] = {}
        self._previous: dict[Room, int] = {}
        self._since = now

    def count(self, room: Room, now: float) -> None:
        """One more event; `now` is in seconds of a clock that never goes back."""
        if now - self._since >= WINDOW:
            self._turn(now)
        self._current[room] = self._current.get(room, 0) + 1

    def per_minute(self, room: Room, now: float) -> int:
        """The events of the last minute, as if those of the window before had come evenly."""
        if now - self._since >= WINDOW:
            self._turn(now)
        rest = 1 - (now - self._since) / WINDOW
        return self._current.get(room, 0) + round(self._previous.get(room, 0) * rest)

    def _turn(self, now: float) -> None:
        windows = (now - self._since) // WINDOW
        self._previous = self._current if windows == 1 else {}
        self._current = {}
        self._since += windows * WINDOW
