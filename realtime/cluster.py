"""The other processes of the site, reached over the channel layer.

Each process owns one channel and puts it in the group of every room and namespace that it has
sockets in. An emit is one message to each process that has members, whatever the number of their
sockets.
"""

import asyncio
import contextlib
import itertools
import logging
import re
import weakref
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

from . import rooms
from .conf import settings
from .emissions import Emission
from .exceptions import ChannelLayerError
from .metrics import count

logger = logging.getLogger("realtime.cluster")

#: The type of the layer message that carries an emission.
EMIT = "realtime.emit"
#: Messages that may wait in a process's channel; the layers' own default of 100 loses bursts.
CHANNEL_CAPACITY = 10_000
#: How long channels_redis' layer waits in Redis for a message. Its own 5 s are just as long as
#: redis-py 8 waits for an answer: an idle process lost its connection every so often, and with it
#: what was popped at that moment. Seconds.
BLOCKING_POP = 1
#: How often memberships are looked after: lost ones joined again, unused ones left. Seconds.
UPKEEP_INTERVAL = 1.0
#: How long a group is kept after its last member left, for those that come back. Seconds.
LINGER = 10.0
#: Emissions to several rooms reach a process once for each, and tries may repeat one; so many are
#: remembered to tell.
REMEMBERED = 10_000
#: How often the layer is asked before it counts as down: when Redis has restarted, each pooled
#: connection fails once, at its next use.
TRIES = 5

_running: "weakref.WeakSet[Cluster]" = weakref.WeakSet()
_capacity_pattern = re.compile(r"realtime\.")


def layer() -> Any:
    """The site's channel layer, or None where there is none."""
    found = get_channel_layer(settings.CHANNEL_LAYER)
    # Not getattr: the pubsub layer, which has no capacities, hands that on to an event loop.
    capacities = getattr(found, "__dict__", {}).get("channel_capacity")
    if isinstance(capacities, list) and all(p is not _capacity_pattern for p, _ in capacities):
        # Last, so that a capacity for our channels in CHANNEL_LAYERS has the say.
        capacities.append((_capacity_pattern, CHANNEL_CAPACITY))
    if hasattr(type(found), "brpop_timeout"):
        found.brpop_timeout = BLOCKING_POP
    return found


def reaches_processes(channel_layer: Any) -> bool:
    """Whether other processes could hear anything through this layer."""
    return channel_layer is not None and not isinstance(channel_layer, InMemoryChannelLayer)


_numbers = itertools.count()


async def publish(channel_layer: Any, emission: Emission, node_id: str) -> None:
    """Hand an emission to the layer, for every process that has sockets in its rooms.

    Raises ChannelLayerError when the layer is down or does not answer in
    `REALTIME["EMIT_TIMEOUT"]`.
    """
    message = {
        "type": EMIT,
        "node": node_id,
        "number": next(_numbers),
        "namespace": emission.namespace,
        "to": None if emission.to is None else list(emission.to),
        "skip": list(emission.skip),
        "volatile": emission.volatile,
        "messages": list(emission.messages),
    }
    try:
        async with asyncio.timeout(settings.EMIT_TIMEOUT):
            for group in _groups(emission, node_id):
                await _persist(channel_layer.group_send, group, message)
    except Exception as error:  # each layer has errors of its own; none may pass for a delivery
        count("emits.failed")
        raise _layer_error(error) from error


async def _persist(verb: Callable[..., Awaitable[None]], *args: Any) -> None:
    for _ in range(TRIES - 1):
        # Whatever it is: what is no passing failure fails the last time, too.
        with contextlib.suppress(Exception):
            return await verb(*args)
    return await verb(*args)


def _groups(emission: Emission, node_id: str) -> Iterable[str]:
    if emission.to is None:
        return [rooms.group_name(emission.namespace)]
    groups = dict.fromkeys(
        rooms.group_name(emission.namespace, room) if node is None else rooms.node_group(node)
        for room in emission.to
        if (node := rooms.node_of(room)) != node_id
    )
    return groups


def _layer_error(error: Exception) -> ChannelLayerError:
    alias = settings.CHANNEL_LAYER
    return ChannelLayerError(
        f"the channel layer {alias!r} did not take the event: {_cause(error)}. Other processes have"
        f" not had it. Check that what CHANNEL_LAYERS[{alias!r}] names is running and reachable."
    )


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # Not its repr, which with redis-py is without its message.
    return f"{type(error).__name__}: {str(error).rstrip('.')}"


class Cluster:
    """This process's place among the others, for one server and its event loop."""

    def __init__(self, node_id: str, deliver: Callable[[Emission], int]) -> None:
        self.node_id = node_id
        self._deliver = deliver
        self._layer: Any = None
        self._channel: str | None = None
        self._tasks: list[asyncio.Task[None]] = []
        #: How many of our sockets need a group.
        self._needed: Counter[str] = Counter()
        #: Groups that the layer has us in, and since when nobody here needs them.
        self._joined: set[str] = set()
        self._unneeded: dict[str, float] = {}
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._renewed = 0.0
        self._opening = asyncio.Lock()
        self._in_trouble = False

    def start(self) -> None:
        """Begin to listen; to be called in the server's event loop."""
        self._layer = layer()
        self._renewed = asyncio.get_running_loop().time()
        if self._layer is not None:
            _running.add(self)
            self._needed[rooms.node_group(self.node_id)] += 1
            self._tasks = [
                asyncio.ensure_future(self._listen()),
                asyncio.ensure_future(self._keep_up()),
            ]

    async def stop(self) -> None:
        """Leave the groups and stop listening."""
        _running.discard(self)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._needed.clear()
        for group in list(self._joined):
            await self._discard(group)

    async def subscribe(self, groups: Iterable[str]) -> None:
        """Some of our sockets are in these groups from now on.

        Returns once the layer knows it, so that an emit from any process arrives. While the layer
        is down the groups are joined later, and sockets here hear this process only.
        """
        missing = []
        own = rooms.node_group(self.node_id)  # for emits to a sid of ours; needed all the time
        if own in self._needed and own not in self._joined:
            missing.append(own)
        for group in groups:
            self._needed[group] += 1
            if group not in self._joined:
                missing.append(group)
        for group in missing:
            if not self._in_trouble:  # else nobody waits for a layer that hangs: see _keep_up
                await self._add(group)

    def unsubscribe(self, groups: Iterable[str]) -> None:
        """A socket of ours is out of these groups."""
        now = asyncio.get_running_loop().time()
        for group in groups:
            self._needed[group] -= 1
            if self._needed[group] <= 0:
                del self._needed[group]
                self._unneeded[group] = now

    async def publish(self, emission: Emission) -> None:
        """Send an emission to the other processes. Raises ChannelLayerError."""
        if self._layer is None or (not reaches_processes(self._layer) and len(_running) < 2):
            return
        await publish(self._layer, emission, self.node_id)

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._layer.receive(await self._own_channel())
            except Exception as error:  # each layer has errors of its own, and all mean: try again
                self._joined.clear()  # a Redis that comes back empty has forgotten us
                self._trouble(error)
                await asyncio.sleep(UPKEEP_INTERVAL)
            else:
                self._received(message)

    async def _own_channel(self) -> str:
        async with self._opening:
            if self._channel is None:
                self._channel = await self._layer.new_channel("realtime")
            return self._channel

    def _received(self, message: Any) -> None:
        try:
            if message["type"] != EMIT or message["node"] == self.node_id:
                return
            if self._is_repeated(message):
                return
            to = message["to"]
            emission = Emission(
                namespace=message["namespace"],
                to=None if to is None else tuple(to),
                messages=tuple(message["messages"]),
                skip=frozenset(message["skip"]),
                volatile=message["volatile"],
            )
        except (KeyError, TypeError) as error:
            count("layer.malformed")
            logger.warning("ignored a message on our channel that is not ours: %r", error)
            return
        self._deliver(emission)

    def _is_repeated(self, message: dict[str, Any]) -> bool:
        key = (message["node"], message["number"])
        if key in self._seen:
            return True
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return False

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # Renewed well inside the layer's expiry, which counts from the joining, not the last
            # use.
            if loop.time() - self._renewed > getattr(self._layer, "group_expiry", 86400) / 3:
                self._joined.clear()
                self._renewed = loop.time()
            for group in [group for group in self._needed if group not in self._joined]:
                await self._add(group)
            for group, since in list(self._unneeded.items()):
                if group in self._needed:
                    del self._unneeded[group]
                elif loop.time() - since > LINGER:
                    del self._unneeded[group]
                    await self._discard(group)
            await asyncio.sleep(UPKEEP_INTERVAL)

    async def _add(self, group: str) -> None:
        if self._layer is None:
            return
        try:
            async with asyncio.timeout(settings.EMIT_TIMEOUT):
                await _persist(self._layer.group_add, group, await self._own_channel())
        except Exception as error:  # as above; the upkeep tries again
            self._trouble(error)
        else:
            self._joined.add(group)
            self._in_trouble = False

    async def _discard(self, group: str) -> None:
        self._joined.discard(group)
        try:
            async with asyncio.timeout(settings.EMIT_TIMEOUT):
                await _persist(self._layer.group_discard, group, await self._own_channel())
        except Exception as error:  # as above; the membership expires by itself
            self._trouble(error)
        else:
            self._in_trouble = False
        if group in self._needed:  # a socket came while we were leaving
            await self._add(group)

    def _trouble(self, error: Exception) -> None:
        count("layer.errors")
        if not self._in_trouble:
            self._in_trouble = True
            logger.error(
                "the channel layer %r is out of reach: %s. Sockets of this process hear only this"
                " process until it is back.",
                settings.CHANNEL_LAYER,
                _cause(error),
            )
