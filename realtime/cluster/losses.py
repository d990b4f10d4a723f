"""Which emissions of other processes did not reach this one. Pure.

Each sender numbers what it sends to a group, from 1. A number that is skipped may be late, as two
emissions overtake each other; after `PATIENCE` seconds it is lost.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable

#: How long a number may be late. Seconds.
PATIENCE = 2.0
#: Series that are remembered, and numbers that may be awaited at a time.
MAX_SERIES = 100_000
MAX_AWAITED = 10_000

Key = tuple[str, str]


class Losses:
    """The numbers that were heard, by sender and group. `now` is any clock that counts seconds."""

    def __init__(self) -> None:
        #: (sender, group) -> (series, last number heard).
        self._last: OrderedDict[Key, tuple[int, int]] = OrderedDict()
        #: (sender, group, series, number) -> since when it is missed.
        self._awaited: dict[tuple[str, str, int, int], float] = {}
        #: Lost without waiting, because more would have been awaited than may be.
        self._given_up: Counter[str] = Counter()

    def heard(self, sender: str, group: str, series: int, number: int, now: float) -> None:
        """A message came."""
        if self._awaited.pop((sender, group, series, number), None) is None:
            self._reach(sender, group, series, number, number - 1, now)

    def compare(
        self, sender: str, group: str, series: int, number: int, age: float, gap: float, now: float
    ) -> None:
        """The sender says that `number` was the last it sent, `age` seconds ago.

        `gap` is for how many seconds we may have heard nothing: where nothing was heard of this
        series yet, at least one message is missed if one was sent in that time.
        """
        if (sender, group) not in self._last and age < gap:
            self._last[sender, group] = (series, number - 1)
        if (sender, group) in self._last:
            self._reach(sender, group, series, number, number, now)

    def _reach(
        self, sender: str, group: str, series: int, number: int, last_missed: int, now: float
    ) -> None:
        key = (sender, group)
        known, last = self._last.get(key, (series, number - 1))
        if known != series:
            last = number - 1  # a new series: what was missed of the old one, nobody knows
        elif number <= last:
            return
        missed = range(last + 1, last_missed + 1)
        if len(missed) + len(self._awaited) > MAX_AWAITED:
            self._given_up[group] += len(missed)
        else:
            self._awaited.update(((sender, group, series, n), now) for n in missed)
        self._last[key] = (series, number)
        self._last.move_to_end(key)
        if len(self._last) > MAX_SERIES:
            self._last.popitem(last=False)

    def lost(self, now: float) -> Counter[str]:
        """How many messages of each group are lost since the last call."""
        lost, self._given_up = self._given_up, Counter()
        for key, since in list(self._awaited.items()):
            if now - since < PATIENCE:
                break  # the rest were missed later
            del self._awaited[key]
            lost[key[1]] += 1
        return lost

    def forget(self, groups: Iterable[str]) -> None:
        """We are out of these groups: what is sent there is not for us."""
        left = set(groups)
        for key in [key for key in self._last if key[1] in left]:
            del self._last[key]
        for awaited in [awaited for awaited in self._awaited if awaited[1] in left]:
            del self._awaited[awaited]
