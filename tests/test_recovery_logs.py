"""What the logs of a process without Redis keep, and when they forget it."""

import asyncio
import time
from dataclasses import replace

import pytest

from realtime.engine.wheel import TimerWheel
from realtime.node import emissions
from realtime.recovery import memory
from realtime.recovery.logs import ENTRY, Logs
from realtime.recovery.memory import MemoryStore
from realtime.recovery.options import of_site
from realtime.recovery.positions import at
from realtime.recovery.store import Wanted

ROOM = ("/", "room")


def logged(ages: list[float]) -> Logs:
    """An event of each of these ages, in seconds, the oldest first."""
    logs, now = Logs(), time.time()
    for age in ages:
        emission = emissions.encode("news", [age], namespace="/", to=(ROOM[1],))
        logs.add(at(now - age), emission, of_site(), of_site().max_memory)
    logs.sweep(now)
    return logs


def test_events_are_forgotten_by_age() -> None:
    lasts = of_site().event_lasts(ROOM[1])
    logs = logged([lasts + 5, lasts + 1, lasts - 5, 0])
    assert len(logs.past(ROOM, Wanted()).entries) == 2
    assert logs.since(ROOM, 0) is None
    assert logs.since(ROOM, at(time.time() - lasts + 4)) is not None


def test_what_a_client_surely_has_may_be_forgotten() -> None:
    lasts = of_site().event_lasts(ROOM[1])
    logs = logged([lasts + 5, 3, 2])
    found = logs.since(ROOM, 0, certain=at(time.time() - lasts))
    assert found is not None and len(found) == 2


def test_logs_without_events_are_gone() -> None:
    lasts = of_site().event_lasts(ROOM[1])
    logs = logged([lasts + 5])
    assert (logs.events, logs.bytes) == (0, 0)


def filled(sizes: list[int], **bounds: int) -> tuple[Logs, list[int]]:
    """A log of events of these sizes in one room, and one of another; the numbers that it has."""
    logs, options = Logs(), replace(of_site(), **bounds)
    other = emissions.encode("news", ["x"], namespace="/", to=("other",))
    logs.add(1, other, options, options.max_memory)
    for number, size in enumerate(sizes, 2):
        emission = emissions.encode("news", ["x" * size], namespace="/", to=(ROOM[1],))
        logs.add(number, emission, options, options.max_memory)
    return logs, [entry.position for entry in logs.past(ROOM, Wanted()).entries]


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([1_000] * 10, [8, 9, 10, 11]),
        ([1_000, 9_000], [3]),
        ([9_000, 1_000], [3]),
        # An event that is too large by itself is there until the next one comes.
        ([90_000], [2]),
        ([90_000, 90_000], [3]),
    ],
)
def test_bytes_of_a_log_are_bounded(sizes: list[int], kept: list[int]) -> None:
    logs, found = filled(sizes, max_bytes=4 * (ENTRY + 1_020))
    assert found == kept
    lost = kept[0] - 1
    assert logs.since(ROOM, lost) is not None
    assert lost < 2 or logs.since(ROOM, lost - 1) is None
    # Another room's log is not touched, and what is counted is what is there.
    assert logs.since(("/", "other"), 0)
    assert logs.events == len(kept) + 1
    logs.sweep(time.time())
    assert (logs.events, logs.bytes) == (0, 0)


def test_events_of_a_log_are_bounded() -> None:
    logs, found = filled([10] * 8, max_events=3)
    assert found == [7, 8, 9]
    assert logs.since(ROOM, 5) is None and logs.since(("/", "other"), 0)


async def test_store_of_one_process_forgets_by_age(monkeypatch: pytest.MonkeyPatch) -> None:
    # Short turns, and a clock that is set forward.
    monkeypatch.setattr(memory, "SWEEP", 0.01)
    store = MemoryStore(TimerWheel(0.01), lambda position, emission: None)
    store.start()
    store.publish(emissions.encode("news", [1], namespace="/", to=(ROOM[1],)))
    assert store.readings()["recovery_events"] == 1
    assert (await store.missed("/", {ROOM[1]: 0})).whole
    later, now = of_site().event_lasts(ROOM[1]) + 1, time.time
    monkeypatch.setattr(time, "time", lambda: now() + later)
    async with asyncio.timeout(30):
        while store.readings()["recovery_events"]:
            await asyncio.sleep(0.01)
    assert store.readings()["recovery_bytes"] == store.readings()["recovery_logs"] == 0
    await store.stop()
