"""Ends sockets whose logins are over by the clock, with one timer for all of them."""

import math
import time
from collections.abc import Callable

from ..engine.wheel import Handle, TimerWheel
from ..node.sockets import Socket

#: Of this many seconds each: what is due within one of them is found together.
STEP = 0.5


class Expiries:
    """Sockets by the time at which their logins expire, in steps of the wall clock.

    `over` is called with each within a second after its time. With no socket there is no timer.
    """

    def __init__(self, wheel: TimerWheel, over: Callable[[Socket], None]) -> None:
        self._wheel = wheel
        self._over = over
        self._timer: Handle | None = None
        self._steps: dict[int, set[Socket]] = {}
        #: The last step whose sockets were taken; those of later ones are still here.
        self._taken = 0

    def add(self, socket: Socket, expires: float) -> None:
        step = _step(expires)
        self._taken = min(self._taken, step - 1)
        self._steps.setdefault(step, set()).add(socket)
        if self._timer is None:
            self._timer = self._wheel.after(STEP, self._turn)

    def discard(self, socket: Socket, expires: float) -> None:
        step = _step(expires)
        sockets = self._steps.get(step)
        if sockets is not None:
            sockets.discard(socket)
            if not sockets:
                del self._steps[step]

    def take(self, now: float) -> list[Socket]:
        """The sockets whose time is over, which are then forgotten."""
        last = math.floor(now / STEP)
        if last - self._taken > len(self._steps):  # after a while, or a leap of the clock
            due = sorted(step for step in self._steps if step <= last)
        else:
            due = [step for step in range(self._taken + 1, last + 1) if step in self._steps]
        self._taken = last
        return [socket for step in due for socket in self._steps.pop(step)]

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        self._timer = None
        for socket in self.take(time.time()):
            self._over(socket)
        if self._steps and self._timer is None:
            self._timer = self._wheel.after(STEP, self._turn)


def _step(expires: float) -> int:
    """The first step that begins no earlier; what is no time at all is over. Nobody lives to see
    the last one.
    """
    return math.ceil(min(expires, 1e12) / STEP) if expires > 0 else 0
