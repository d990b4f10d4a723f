"""Compares what a client got with what was emitted.

*Once*: no client gets an emission twice, whatever happened, and none that nobody emitted or that
was for others.

*In order*: what a client gets has rising offsets, which is the one order of the namespace, for all
clients the same. In it the emissions of one emitter rise as well, those that it was told went well.

*All*: an emission that went well, or that any client got, is had by every client of its rooms,
except where the server told a client of a loss: `recovered` false, or RESYNC_EVENT. That divides
the client's life in segments, and what lies between two of them may be missing. The place of an
emission is known by its offset, if anybody got it, and else by the time: one that ended before
another began comes before it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.soak.ledger import Client, Emission, Name, Said, Segment

Offset = tuple[int, int]


@dataclass(frozen=True)
class Violation:
    client: str
    kind: str
    name: Name
    #: When, for the evidence.
    at: float
    detail: str


class Ledger:
    """All that was emitted, and where in the order it came."""

    def __init__(self, emissions: Iterable[Emission], clients: Iterable[Client]) -> None:
        self.emissions: dict[Name, Emission] = {e.name: e for e in emissions}
        self.offsets: dict[Name, Offset] = {}
        for client in clients:
            for segment in client.segments:
                for said in segment.said:
                    self.offsets.setdefault(said.name, said.offset)
        self._landed = [
            e for e in self.emissions.values() if e.is_certain or e.name in self.offsets
        ]
        self._by_rooms: dict[frozenset[str], list[Emission]] = {}

    def due(self, client: Client) -> list[Emission]:
        """What a client in its rooms should have, in the order in which it was begun."""
        if client.rooms not in self._by_rooms:
            due = [e for e in self._landed if e.is_for(client.rooms)]
            self._by_rooms[client.rooms] = sorted(due, key=lambda e: e.start)
        return self._by_rooms[client.rooms]


def violations(ledger: Ledger, clients: Iterable[Client]) -> Iterator[Violation]:
    for client in clients:
        for fault in client.faults:
            yield Violation(client.name, "wrong", ("", 0), 0.0, fault)
        yield from _not_once(ledger, client)
        yield from _out_of_order(ledger, client)
        yield from _missing(ledger, client)


def _not_once(ledger: Ledger, client: Client) -> Iterator[Violation]:
    seen: dict[Name, Said] = {}
    for segment in client.segments:
        for said in segment.said:
            emission = ledger.emissions.get(said.name)
            if emission is None:
                yield _of(client, "never emitted", said, "no emitter knows of it")
            elif not emission.is_for(client.rooms):
                yield _of(client, "for others", said, f"it was for {emission.to}")
            if said.name in seen:
                first = seen[said.name]
                yield _of(client, "twice", said, f"at {said.offset}, before at {first.offset}")
            seen[said.name] = said


def _out_of_order(ledger: Ledger, client: Client) -> Iterator[Violation]:
    highest: dict[str, int] = {}
    for segment in client.segments:
        last: Said | None = None
        for said in segment.said:
            if last is not None and said.offset <= last.offset:
                yield _of(client, "out of order", said, f"{said.offset} after {last.offset}")
            if said.offset != ledger.offsets[said.name]:
                others = ledger.offsets[said.name]
                yield _of(client, "out of order", said, f"{said.offset}, for others {others}")
            last = said
            emission = ledger.emissions.get(said.name)
            if emission is not None and emission.is_certain:
                before = highest.get(said.emitter, -1)
                if said.number < before:
                    yield _of(client, "out of order", said, f"after number {before}")
                highest[said.emitter] = max(before, said.number)


def _missing(ledger: Ledger, client: Client) -> Iterator[Violation]:
    had = {said.name for segment in client.segments for said in segment.said}
    for emission in ledger.due(client):
        if emission.name in had:
            continue
        for number, segment in enumerate(client.segments):
            is_last = number == len(client.segments) - 1
            offset = ledger.offsets.get(emission.name)
            if _began_before(segment, emission, offset) and (
                is_last or _went_on_after(segment, emission, offset, ledger.emissions)
            ):
                where = f"to {emission.to}, offset {offset}"
                detail = f"{where}; {_neighbours(segment, emission, offset)}"
                yield Violation(client.name, "missing", emission.name, emission.start, detail)
                break


def _began_before(segment: Segment, emission: Emission, offset: Offset | None) -> bool:
    """Whether the client was there already when it was emitted."""
    if emission.start > segment.since:
        return True
    return offset is not None and bool(segment.said) and offset > segment.said[0].offset


def _went_on_after(
    segment: Segment,
    emission: Emission,
    offset: Offset | None,
    emissions: Mapping[Name, Emission],
) -> bool:
    """Whether the client got anything later in the same segment."""
    if not segment.said:
        return False
    last = segment.said[-1]
    if offset is not None:
        return offset < last.offset
    of_last = emissions.get(last.name)
    return of_last is not None and emission.end < of_last.start


def _neighbours(segment: Segment, emission: Emission, offset: Offset | None) -> str:
    """What the client got before and after it."""
    earlier, later = None, None
    for said in segment.said:
        if said.offset < offset if offset is not None else said.at < emission.start:
            earlier = said
        elif later is None:
            later = said
    return f"between {_text(earlier)} and {_text(later)}"


def _text(said: Said | None) -> str:
    return "nothing" if said is None else f"{said.emitter}:{said.number} (got at {said.at:.3f})"


def _of(client: Client, kind: str, said: Said, detail: str) -> Violation:
    return Violation(client.name, kind, said.name, said.at, detail)
