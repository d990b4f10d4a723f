"""Emissions on their way to other processes, numbered so that who misses one can tell."""

import itertools
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from ..node import rooms
from ..node.emissions import Emission
from ..node.rooms import Group
from .bus import Bus, Message

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

    async def publish(self, emission: Emission) -> None:
        """Hand an emission to the layer, for every process that has sockets in its rooms.

        Raises ChannelLayerError when the layer is down or does not answer in
        `REALTIME["EMIT_TIMEOUT"]`.
        """
        groups = [*map(rooms.layer_group, _groups(emission, self._bus.node_id))]
        body = {**to_body(emission), "id": next(self._emissions), "copies": len(groups)}
        # Numbered even if the layer then takes none: those who should have heard it are to know.
        messages = [
            (group, self._bus.message("emit", body | {"group": group, "series": self._next(group)}))
            for group in groups
        ]
        if messages:
            await self._bus.hand_over(messages)

    def _next(self, group: str) -> list[int]:
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


def _groups(emission: Emission, node_id: str) -> Iterable[Group]:
    if emission.to is None:
        return [(emission.namespace, None)]
    return dict.fromkeys(
        (emission.namespace, room) if node is None else rooms.node_group(node)
        for room in emission.to
        if (node := rooms.node_of(room)) != node_id
    )


def to_body(emission: Emission) -> Message:
    """An emission as the body of a message."""
    return {
        "namespace": emission.namespace,
        "to": None if emission.to is None else list(emission.to),
        "skip": list(emission.skip),
        "volatile": emission.volatile,
        "messages": list(emission.messages),
        "event": emission.event,
        "trace": emission.trace,
        "at": time.time(),
    }


def from_body(body: dict[str, Any]) -> Emission:
    """The emission of a message. Raises KeyError or TypeError for what is none."""
    to = body["to"]
    return Emission(
        namespace=body["namespace"],
        to=None if to is None else tuple(to),
        messages=tuple(body["messages"]),
        skip=frozenset(body["skip"]),
        volatile=body["volatile"],
        event=body["event"],
        trace=body["trace"],
    )
