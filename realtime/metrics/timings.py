"""How long things took, in histograms. Pure; an observation is a bisection and two additions."""

from bisect import bisect_left
from collections.abc import Sequence

#: Upper bounds of a handler's time, in seconds.
HANDLER_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
#: Upper bounds of the way of an emit to another process, in seconds.
ARRIVAL_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: What became of an event.
OK, REFUSED, FAILED = "ok", "refused", "failed"


class Histogram:
    """How many values were at most as large as each bound; the last count is of all above."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def total(self) -> int:
        return sum(self.counts)


class HandlerTimes:
    """The handler of one declared event."""

    __slots__ = ("outcomes", "seconds")

    def __init__(self) -> None:
        self.seconds = Histogram(HANDLER_BOUNDS)
        self.outcomes = {OK: 0, REFUSED: 0, FAILED: 0}


class Timings:
    """The times that this process took since somebody wanted to know."""

    def __init__(self) -> None:
        #: By the consumer's class (or a name in its place) and the declared event: never a name
        #: that is the client's to choose, so that there are as many as the code declares.
        self.handlers: dict[tuple[type | str, str], HandlerTimes] = {}
        #: From the sender's clock to ours.
        self.arrivals = Histogram(ARRIVAL_BOUNDS)

    def handled(self, consumer: type | str, event: str, seconds: float, outcome: str) -> None:
        """A handler ended."""
        times = self.handlers.get((consumer, event))
        if times is None:
            times = self.handlers[consumer, event] = HandlerTimes()
        times.seconds.observe(seconds)
        times.outcomes[outcome] += 1

    def arrived(self, seconds: float) -> None:
        """An emission of another process is here; less than 0 where the clocks disagree."""
        self.arrivals.observe(max(0.0, seconds))
