"""How long the store has been away, as far as clients that came back have found out."""

import math

#: Seconds for which clients are sent to try again, unless their window is shorter; a restart of
#: Redis, or Sentinel's choice of another one, takes less.
PATIENCE = 30.0
#: Seconds between two tries for one client.
RETRY = 0.25


class Outage:
    """Pure: times are given."""

    def __init__(self) -> None:
        self._since = self._last = -math.inf

    def failed(self, now: float) -> float:
        """The store could not be asked: for how many seconds that has been so by now."""
        # Nobody asked for long: what was then is another outage.
        if now - self._last > PATIENCE:
            self._since = now
        self._last = now
        return now - self._since

    def ended(self) -> None:
        """The store has answered."""
        self._last = -math.inf
