"""Which store a process has: Redis where the channel layer is channels_redis', or its memory."""

from collections.abc import Callable, Collection

from ..cluster.bus import Bus
from ..cluster.layers import is_redis
from ..engine.wheel import TimerWheel
from ..node.emissions import Emission
from ..node.keeping import Keeping
from .memory import MemoryStore
from .store import Deliver, Key, Store


def store_for(
    bus: Bus,
    wheel: TimerWheel,
    deliver: Deliver,
    unlogged: Callable[[Emission], None],
    lost: Callable[[Collection[Key], int], None],
) -> Store:
    """The store of a node with sockets, whose bus is open."""
    if not is_redis(bus.layer):
        return MemoryStore(wheel, deliver)
    from .redis.store import RedisStore  # its library is an extra

    return RedisStore(bus, deliver, unlogged, lost)


def writer_for(bus: Bus) -> Keeping | None:
    """What a process without sockets logs with."""
    if not is_redis(bus.layer):
        return None
    from .redis.store import Writer  # as above

    return Writer(bus)
