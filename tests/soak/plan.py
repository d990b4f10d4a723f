"""The faults of a run: the same seed and options make the same plan.

When a fault really comes depends on the machine: faults of one lane wait for each other.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.soak.options import Options


@dataclass(frozen=True, kw_only=True)
class Fault:
    #: Seconds since the start.
    at: float
    kind: str
    #: Between 0 and 1: which of the targets that there are by then.
    pick: float
    #: Seconds, of those that last.
    lasts: float


#: What is dealt in each lane, in shuffled order and again from the start: no kind is left out.
LINKS = ("cut", "cut", "cut", "hang up", "strand", "strand", "freeze", "freeze")
GATES = ("lift", "lift", "lift", "long lift")
PROCESSES = ("kill", "drain", "stop", "kill", "stop")
REDIS = ("redis restart", "redis sever", "redis stop")
#: In memory a process that ends takes all logs with it.
ONE_PROCESS = ("stop", "stop", "stop", "kill")

#: Longest time in seconds.
LASTS = {
    "freeze": 12.0,
    "lift": 10.0,
    "kill": 4.0,
    "drain": 1.0,
    "stop": 8.0,
    "redis restart": 3.0,
    "redis stop": 4.0,
}


def lanes(options: Options) -> dict[str, list[Fault]]:
    in_redis = options.store == "redis"
    return {
        "links": list(_dealt(options, "links", LINKS, 20.0 / options.clients)),
        "gates": list(_dealt(options, "gates", _gates(options), 20.0)),
        "processes": list(
            _dealt(options, "processes", PROCESSES if in_redis else ONE_PROCESS, 12.0)
        ),
        "redis": list(_dealt(options, "redis", REDIS, 40.0)) if in_redis else [],
    }


def _gates(options: Options) -> Sequence[str]:
    """A lift that takes longer than the window needs a run that is longer still."""
    return GATES if options.seconds > 4 * options.window else GATES[:1]


def _dealt(options: Options, lane: str, kinds: Sequence[str], every: float) -> Iterator[Fault]:
    random_ = random.Random(f"{options.seed} {lane}")
    # A short run has each kind as well.
    every = min(every, options.seconds / (len(set(kinds)) + 1))
    deck: list[str] = []
    at = random_.uniform(0.2, 1.0) * every
    while at < options.seconds:
        if not deck:
            deck = random_.sample(kinds, len(kinds))
        kind = deck.pop()
        lasts = random_.uniform(0.1, 1.0) * LASTS.get(kind, 0.0)
        if kind == "long lift":
            lasts = options.window * random_.uniform(1.2, 1.5)
        yield Fault(at=at, kind=kind, pick=random_.random(), lasts=lasts)
        at += random_.uniform(0.5, 1.5) * every
