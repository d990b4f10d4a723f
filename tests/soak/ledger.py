"""What was emitted, and what each client got."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Name = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Emission:
    """An emitter numbers what it says, and begins the next when the one before is done."""

    emitter: str
    number: int
    #: Rooms; None means everybody.
    to: tuple[str, ...] | None
    start: float
    end: float
    #: Whether the emitter was told that it went well. Otherwise it may have been logged or not.
    is_certain: bool

    @property
    def name(self) -> Name:
        return self.emitter, self.number

    def is_for(self, rooms: frozenset[str]) -> bool:
        return self.to is None or not rooms.isdisjoint(self.to)


def whom(pick: random.Random, rooms: list[str]) -> str | list[str] | None:
    """Mostly one room, sometimes two, and now and then everybody."""
    kind = pick.random()
    if kind < 0.03:
        return None
    return [pick.choice(rooms), pick.choice(rooms)] if kind < 0.13 else pick.choice(rooms)


def read_emission(values: Sequence[Any]) -> Emission:
    emitter, number, to, start, end, is_certain = values
    rooms = (to,) if isinstance(to, str) else None if to is None else tuple(to)
    return Emission(emitter, number, rooms, start, end, is_certain)


@dataclass(frozen=True, slots=True)
class Said:
    """An event as a client got it."""

    at: float
    emitter: str
    number: int
    #: Its position in the log, of milliseconds and a count.
    offset: tuple[int, int]

    @property
    def name(self) -> Name:
        return self.emitter, self.number


@dataclass(slots=True)
class Segment:
    """A time for which nothing was reported as lost."""

    since: float
    said: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class Client:
    name: str
    rooms: frozenset[str]
    segments: list[Segment] = field(default_factory=list)
    #: What the client saw besides, as (time, text).
    history: list[tuple[float, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    recoveries: int = 0
    #: Connects of a client that was there before, and had to begin anew.
    anew: int = 0
    #: Reports of a loss to a client that was connected all the time.
    reports: int = 0
    blinks: int = 0

    @property
    def deliveries(self) -> int:
        return sum(len(segment.said) for segment in self.segments)

    def has_all(self, last_words: dict[str, list[Any]]) -> bool:
        had = {said.name for segment in self.segments for said in segment.said}
        return {tuple(last_words[room]) for room in self.rooms} <= had


def read_client(told: dict[str, Any]) -> Client:
    """From what clients.mjs wrote of one."""
    client = Client(told["name"], frozenset(told["rooms"]))
    sid, awaits_report = None, False
    for kind, at, *values in told["log"]:
        if kind == "said":
            emitter, number, offset = values
            client.segments[-1].said.append(Said(at, emitter, number, _offset(offset)))
            continue
        client.history.append((at, " ".join(map(str, [kind, *values]))))
        if kind == "connect":
            recovered, new = values
            # The report that belongs to this connect.
            awaits_report = not recovered and bool(client.segments)
            if recovered:
                client.recoveries += 1
                if new != sid:
                    client.faults.append(f"was recovered as {new}, and had been {sid}")
            else:
                client.anew += bool(client.segments)
                client.segments.append(Segment(at))
            sid = new
        elif kind == "resync" and awaits_report:
            awaits_report = False
        elif kind == "resync":
            client.reports += 1
            client.segments.append(Segment(at))
        elif kind == "fault":
            client.faults.append(str(values[0]))
    client.blinks = told["blinks"]
    return client


def _offset(text: str) -> tuple[int, int]:
    milliseconds, count = text.split("-")
    return int(milliseconds), int(count)
