"""The Channels layer of the site, as realtime uses it: an instance of our own, set to our needs."""

import asyncio
import contextlib
import functools
import re
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from channels.exceptions import InvalidChannelLayerError
from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer

from ..conf import settings
from ..exceptions import ChannelLayerError
from .isolation import is_isolated

#: Messages that may wait in a process's channel; the layers' own default of 100 loses bursts.
CHANNEL_CAPACITY = 10_000
#: How long channels_redis' layer waits in Redis for a message. Its own 5 s are just as long as
#: redis-py 8 waits for an answer: an idle process lost its connection every so often, and with it
#: what was popped at that moment. Seconds.
BLOCKING_POP = 1
#: How long a membership lasts that nobody renews; the layers' default is a day. What a killed
#: process leaves in Redis is swept away in this time. Seconds.
GROUP_EXPIRY = 300
#: How often the layer is asked before it counts as down: when Redis has restarted, each pooled
#: connection fails once, at its next use.
TRIES = 5

_capacity_pattern = re.compile(r"realtime\.")


def layer() -> Any:
    """The channel layer for this process, or None where there is none.

    In a test environment it is in memory: no test may speak to the clients of a running site.
    """
    shared = get_channel_layer(settings.CHANNEL_LAYER)
    if not reaches_processes(shared):
        return shared
    return _of_tests() if is_isolated() else configured()


@functools.cache
def _of_tests() -> InMemoryChannelLayer:
    return InMemoryChannelLayer(capacity=CHANNEL_CAPACITY)


def configured() -> Any:
    """The site's channel layer, or None where there is none; its connections open at first use.

    A new instance at each call, with connections of its own: what is set on it here concerns no
    consumer of the project. Only an in-memory layer is the project's own: it holds all there is.
    """
    shared = get_channel_layer(settings.CHANNEL_LAYER)
    if not reaches_processes(shared):
        return shared
    own = channel_layers.make_backend(settings.CHANNEL_LAYER)
    # Not getattr: the pubsub layer, which has none of these, hands that on to an event loop.
    attributes = getattr(own, "__dict__", {})
    if isinstance(attributes.get("channel_capacity"), list):
        # Last, so that a capacity for our channels in CHANNEL_LAYERS has the say.
        own.channel_capacity.append((_capacity_pattern, CHANNEL_CAPACITY))
    if hasattr(type(own), "brpop_timeout"):
        own.brpop_timeout = BLOCKING_POP
    if is_postgres(own):
        from .postgres import PostgresLayer  # its library is an extra

        # 0, its default, means never.
        return PostgresLayer(own, min(own.group_expiry or GROUP_EXPIRY, GROUP_EXPIRY))
    if "group_expiry" in attributes:
        own.group_expiry = min(own.group_expiry, GROUP_EXPIRY)
    return own


async def new_channel(own: Any) -> str:
    """A channel of this process on the layer."""
    while True:
        name: str = await own.new_channel("realtime")
        if _is_whole(own, name):
            return name


def _is_whole(found: Any, name: str) -> bool:
    # With several hosts channels_redis sends to the host of the whole name, and fetches from that
    # of its first part (django/channels issue 1492): a name for which both are one.
    if not hasattr(type(found), "consistent_hash"):
        return True
    return bool(found.consistent_hash(name) == found.consistent_hash(found.non_local_name(name)))


class OwnChannel(NamedTuple):
    """A consumer's channel: `announce` has the layer deliver what is sent to it by name."""

    name: str
    announce: Callable[[], Coroutine[Any, Any, None]]


def own_channel(shared: Any) -> OwnChannel:
    """A new channel on the project's own layer, at once and in the running loop.

    For `self.channel_name`, which is read where nothing can be awaited.
    """
    if hasattr(type(shared), "_get_layer"):
        # The pubsub layer's new_channel() waits for Redis before it tells the name. These are its
        # steps without the wait; guarded by tests/test_guards.py.
        found = shared._get_layer()
        name = f"{found.prefix}specific.{uuid.uuid4().hex}"
        found.channels[name] = asyncio.Queue()
        return OwnChannel(name, functools.partial(found._get_shard(name).subscribe, name))
    if hasattr(type(shared), "brpop_timeout"):
        # Else an idle consumer would lose its connection as an idle process did, see above.
        shared.brpop_timeout = min(shared.brpop_timeout, BLOCKING_POP)
    while True:
        making = shared.new_channel()
        try:
            making.send(None)
        except StopIteration as made:
            if _is_whole(shared, made.value):
                return OwnChannel(made.value, _nothing)
        else:
            making.close()
            raise InvalidChannelLayerError(
                f"{type(shared).__name__} has to wait for the name of a channel, so consumers"
                " can't join groups on it: choose another layer with channel_layer_alias"
            )


async def _nothing() -> None:
    pass


async def close(own: Any) -> None:
    """Close the connections of a layer that is no longer used."""
    clients = _redis_clients(own) if is_redis(own) else []
    # The pubsub layer has no such method, and closes its own when the event loop is closed.
    if reaches_processes(own) and hasattr(type(own), "close_pools"):
        await own.close_pools()
    for client in clients:
        await _close_sentinels(client)


def _redis_clients(own: Any) -> list[Any]:
    # channels_redis forgets to close what these ask Sentinel with, and keeps them nowhere else;
    # guarded by tests/test_guards.py.
    of_loops = own._layers.values()
    if hasattr(type(own), "close_pools"):
        return [client for of_loop in of_loops for client in of_loop._connections.values()]
    return [shard._redis for of_loop in of_loops for shard in of_loop._shards if shard._redis]


def is_redis(own: Any) -> bool:
    """Whether a layer is one of channels_redis'."""
    return _is_of(own, "channels_redis")


def is_postgres(own: Any) -> bool:
    """Whether a layer is channels_postgres' own."""
    return _is_of(own, "channels_postgres")


def _is_of(own: Any, package: str) -> bool:
    return any(kind.__module__.startswith(f"{package}.") for kind in type(own).__mro__)


def redis_client() -> Any:
    """A client of the Redis that the site's layer is configured with, the first of several hosts.

    Its connections open at first use, in the event loop that uses it. It tries nothing twice.
    """
    from channels_redis import utils  # an extra
    from redis import asyncio as redis

    # The layer's own reader of a host; see redis_hosts().
    return redis.Redis(connection_pool=utils.create_pool(redis_hosts()[0]))


def redis_hosts() -> list[dict[str, Any]]:
    """The hosts of the Redis that the site's layer is configured with, as options for redis-py."""
    from channels_redis import utils  # an extra

    # The layer's own reader of `hosts`, in all its notations, Sentinel's too. It is documented
    # nowhere, but every release has had it; guarded by tests/test_guards.py.
    config = channel_layers.configs[settings.CHANNEL_LAYER].get("CONFIG", {})
    found: list[dict[str, Any]] = utils.decode_hosts(config.get("hosts"))
    return found


async def close_client(client: Any) -> None:
    """Close the connections of a `redis_client`, those to Sentinels too."""
    await client.aclose(close_connection_pool=True)
    await _close_sentinels(client)


async def _close_sentinels(client: Any) -> None:
    manager = getattr(client.connection_pool, "sentinel_manager", None)
    for sentinel in getattr(manager, "sentinels", ()):
        await sentinel.aclose()


def redis_prefix() -> str:
    """What the layer's own keys begin with."""
    config = channel_layers.configs[settings.CHANNEL_LAYER].get("CONFIG", {})
    return str(config.get("prefix", "asgi"))


def reaches_processes(channel_layer: Any) -> bool:
    """Whether other processes could hear anything through this layer."""
    return channel_layer is not None and not isinstance(channel_layer, InMemoryChannelLayer)


async def call_with_retries(method: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Call a method of the layer until it succeeds, `TRIES` times at most."""
    for _ in range(TRIES - 1):
        # Whatever it is: what is no passing failure fails the last time, too.
        with contextlib.suppress(Exception):
            return await method(*args)
    return await method(*args)


def layer_error(error: Exception) -> ChannelLayerError:
    """What to raise when the layer failed with `error`."""
    if isinstance(error, ChannelLayerError):
        return error
    alias = settings.CHANNEL_LAYER
    return ChannelLayerError(
        f"the channel layer {alias!r} did not accept a message: {cause(error)}. Other processes did"
        f" not get it. Check that what CHANNEL_LAYERS[{alias!r}] names is running and reachable."
    )


def cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # Not its repr, which with redis-py is without its message. psycopg's advice goes over lines.
    said = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {said.rstrip('.')}"


async def tidied(found: Any) -> None:
    """Wait for what a layer still does about the messages that we had.

    channels_redis' core layer deletes its copy of a message in a task of its own; a process that
    ended meanwhile would log a traceback.
    """
    # Not getattr: the pubsub layer hands what it does not have on to an event loop.
    if hasattr(type(found), "wait_received"):
        await found.wait_received()
