"""The client's answers that one socket waits for."""

from collections.abc import Callable
from typing import Any

Answered = Callable[..., Any]
Lost = Callable[[], Any]


class Answers(dict[int, tuple[Answered, Lost | None]]):
    """Who waits for an answer, by the id of the event that wants it."""

    # A dict and not an object with one: there is one for each socket, and it is empty.
    __slots__ = ("_last",)

    def __init__(self) -> None:
        super().__init__()
        self._last = 0

    def expect(self, answered: Answered, lost: Lost | None = None) -> int:
        """An id for an event; `answered` gets the client's values.

        `lost` is called if the client leaves first.
        """
        self._last += 1
        self[self._last] = (answered, lost)
        return self._last

    def take(self, ack_id: int) -> Answered | None:
        """Who waits for this answer: nobody, if it was never awaited or comes a second time."""
        answered, _ = self.pop(ack_id, (None, None))
        return answered

    def lose(self, ack_id: int) -> None:
        """An answer came that can't be read: there will be no other."""
        _, lost = self.pop(ack_id, (None, None))
        if lost is not None:
            lost()

    def lose_all(self) -> None:
        """The client is out: nobody will answer."""
        waiting = list(self.values())
        self.clear()
        for _, lost in waiting:
            if lost is not None:
                lost()
