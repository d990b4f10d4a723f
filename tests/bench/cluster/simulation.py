"""Clusters of any size in a process: messages counted one by one, to hold against closed formulas.

Nothing here is measured and nothing computes a cost: sockets are placed, rooms emit, groups and
channels go to the Redis host that channels_redis itself chooses for them.
"""

import random
import statistics
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from channels_redis.utils import _consistent_hash

from realtime.cluster import groups
from realtime.cluster.beats import LEASE
from tests.bench.cluster.placement import SEED, hosted, place


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Per emit, over all that were simulated.

    `heard` are the messages that a node hears, `busiest` those of the node that hears most, and
    `host` is the share of the busiest Redis host in what is handed over to nodes' channels.
    """

    spread: float
    heard: float
    busiest: float
    host: float


def emits(nodes: int, room_count: int, members: int, shape: str, hosts: int, count: int) -> Counted:
    """Let random rooms of a shape emit, and count who hears it and what passes which host."""
    dice = random.Random(SEED)
    found = list(hosted(place(nodes, room_count, members), shape).items())
    channels = [_host_of_channel(dice, hosts) for _ in range(nodes)]
    heard: Counter[int] = Counter()
    passed: Counter[int] = Counter()
    for _ in range(count):
        _, room = found[int(dice.random() * len(found))]
        heard.update(room.nodes)
        passed.update(channels[node] for node in room.nodes)
    total = heard.total()
    return Counted(
        spread=total / count,
        heard=total / count / nodes,
        busiest=max(heard.values()) / count,
        host=max(passed.values()) / total,
    )


def _host_of_channel(dice: random.Random, hosts: int) -> int:
    """The core layer's: by the part of a channel's name that all channels of a process share."""
    return _consistent_hash(f"realtime.{uuid.UUID(int=dice.getrandbits(128)).hex}!", hosts)


def busiest_host_of_groups(room_count: int, hosts: int) -> float:
    """The share of the host with the most groups: in the pubsub layer it does all for them."""
    groups = (f"asgi__group__{groups.group_name('/', f's{n:04}')}" for n in range(room_count))
    return max(Counter(_consistent_hash(group, hosts) for group in groups).values()) / room_count


def heartbeats(nodes: int, interval: float, seconds: float) -> float:
    """Beats that a node hears in a second, each node beating from a moment of its own on."""
    dice = random.Random(SEED)
    beats = 0
    for _ in range(nodes):
        at = dice.random() * interval
        while at < seconds:
            beats += 1
            at += interval
    return beats / seconds


def detection(interval: float, deaths: int) -> tuple[float, float, float]:
    """Seconds until another node counts a killed one as gone: the least, the mean, the most."""
    dice = random.Random(SEED)
    times = []
    for _ in range(deaths):
        since_beat = dice.random() * interval
        look = dice.random() * interval  # the other looks once in each interval of its own
        while look + since_beat <= LEASE * interval:
            look += interval
        times.append(look)
    return min(times), statistics.mean(times), max(times)


def queue(
    rate: float, service: Callable[[random.Random], float], count: int
) -> tuple[float, float]:
    """One server, such as Redis' thread: its busy share, and the mean wait before service.

    Arrivals are random at `rate`; the server takes them in turn.
    """
    dice = random.Random(SEED)
    clock = free = busy = waited = 0.0
    for _ in range(count):
        clock += dice.expovariate(rate)
        begun = max(clock, free)
        waited += begun - clock
        taken = service(dice)
        busy += taken
        free = begun + taken
    return busy / free, waited / count
