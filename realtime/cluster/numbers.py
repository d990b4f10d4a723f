"""Emissions on their way to other processes, numbered so that a missing one is noticed."""

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

from .bus import Bus, Message
from .groups import Group, layer_group

#: Groups whose numbers are remembered. One that is forgotten starts a new series, whose hearers
#: can't tell what they missed at the seam.
MAX_GROUPS = 50_000


class _Series:
    """What went out to one group: the series' id, its last number, and when that was."""

    __slots__ = ("at", "id", "number")

    def __init__(self, id: int) -> None:
        self.id = id
        self.number = 0
        self.at = 0.0


class Outgoing:
    """What this process emits to others."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._series: OrderedDict[str, _Series] = OrderedDict()
        self._ids = itertools.count(1)
        self._emissions = itertools.count()
        # A publisher's threads number what they send. A signal's handler, which may emit, too, runs
        # in the middle of one of them.
        self._lock = threading.RLock()

    async def publish(self, to: Iterable[Group], body: Message) -> None:
        """Hand an emission, as the body of a message, to the layer, for the processes in groups.

        Raises ChannelLayerError when the layer is down or does not answer in
        `REALTIME["EMIT_TIMEOUT"]`.
        """
        if messages := self.numbered(to, body):
            await self._bus.hand_over(messages)

    def numbered(self, to: Iterable[Group], body: Message) -> list[tuple[str, Message]]:
        """The message of an emission for each of these groups."""
        groups = [layer_group(group) for group in to]
        body = {**body, "id": next(self._emissions), "copies": len(groups)}
        # Numbered even if the layer then takes none: those who should have heard it are to know.
        return [
            (group, self._bus.message("emit", body | {"group": group, "series": self._next(group)}))
            for group in groups
        ]

    def _next(self, group: str) -> list[int]:
        with self._lock:
            series = self._series.get(group)
            if series is None:
                series = self._series[group] = _Series(next(self._ids))
                if len(self._series) > MAX_GROUPS:
                    self._series.popitem(last=False)
            else:
                self._series.move_to_end(group)
            series.number += 1
            series.at = time.monotonic()
            return [series.id, series.number]

    def last(self, groups: Iterable[str]) -> dict[str, list[float]]:
        """What went out last to each of these groups: series, number, and how many seconds ago."""
        now = time.monotonic()
        return {
            group: [series.id, series.number, now - series.at]
            for group in groups
            if (series := self._series.get(group)) is not None
        }
