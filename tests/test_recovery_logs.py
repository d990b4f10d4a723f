"""What the logs of a process without Redis keep, and when they forget it."""

import time

from realtime.node import emissions
from realtime.recovery.logs import Logs
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
