"""Which logins ended lately, as this process heard; the same for all its nodes and threads.

Django says that a user logs out before it ends the session. Who connects in between still finds the
session, so that its key has to be remembered as one that has ended.
"""

import threading
import time
from collections import OrderedDict

from ..metrics.process import after_fork
from .login import Notice

#: For how long, in seconds: longer than the request takes in which a user logs out.
SECONDS = 300.0
#: The most that is remembered.
MAX_NOTICES = 100_000


#: The node that told a notice, and the number that it gave it.
Id = tuple[str, int]


class Memory:
    """Notices by the id that their sender gave them. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Oldest first: when it came, and what it says.
        self._notices: OrderedDict[Id, tuple[float, Notice]] = OrderedDict()
        #: Digest of an ended session -> when that was heard last.
        self._ended: OrderedDict[str, float] = OrderedDict()

    def note(self, id: Id, notice: Notice) -> bool:
        """Remember a notice; whether it was remembered before."""
        now = time.monotonic()
        with self._lock:
            if id in self._notices:
                return True
            self._notices[id] = (now, notice)
            if "session" in notice:
                self._ended[notice["session"]] = now
                self._ended.move_to_end(notice["session"])
            self._forget(now)
        return False

    def has_ended(self, session: str | None) -> bool:
        """Whether the session with this digest is one that has ended."""
        heard = self._ended.get(session or "")
        return heard is not None and time.monotonic() - heard < SECONDS

    def latest(self, most: int) -> list[tuple[Id, Notice]]:
        """The latest notices, the oldest of them first."""
        with self._lock:
            self._forget(time.monotonic())
            found = [(id, notice) for id, (_, notice) in self._notices.items()]
        return found[-most:]

    def clear(self) -> None:
        self._notices.clear()
        self._ended.clear()

    def _forget(self, now: float) -> None:
        while self._notices:
            at, _ = next(iter(self._notices.values()))
            if now - at < SECONDS and len(self._notices) <= MAX_NOTICES:
                break
            self._notices.popitem(last=False)
        while self._ended:
            at = next(iter(self._ended.values()))
            if now - at < SECONDS and len(self._ended) <= MAX_NOTICES:
                break
            self._ended.popitem(last=False)


memory = Memory()


def _after_fork() -> None:
    memory._lock = threading.Lock()  # it may have been held in the parent


after_fork(_after_fork)
