"""Checks of the layers of channels_redis; they connect nowhere."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Info, Warning

from ..cluster import layers
from ..conf import settings
from .changes import announced_models

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
REDIS_CACHES = {"django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache"}

#: The messages of a burst to one process; with less, one page full of clients loses messages.
LEAST_CAPACITY = 1_000
#: Seconds. Memberships are renewed after a third of their lifetime, once a second at most, and a
#: layer that hangs may take EMIT_TIMEOUT.
LEAST_GROUP_EXPIRY = 30
#: Seconds. A process that is suspended for a moment must find its messages.
LEAST_EXPIRY = 10
#: Seconds. redis-py would give up at the very moment when channels_redis' blocking read ends.
LEAST_SOCKET_TIMEOUT = layers.BLOCKING_POP + 1
#: Bytes. Redis' default limit for what may wait for one subscriber.
PUBSUB_BUFFER = 32 * 1024 * 1024

Config = dict[str, Any]


def check_core(entry: Config) -> list[CheckMessage]:
    """For production."""
    return [
        *_check_cost(),
        *_check_capacity(),
        *_check_expiry(),
        *_check_cache(entry),
        *_check_socket_timeout(entry),
    ]


def check_pubsub() -> list[CheckMessage]:
    """For production."""
    if settings.MAX_PAYLOAD < PUBSUB_BUFFER:
        return []
    return [
        Warning(
            f"MAX_PAYLOAD is {settings.MAX_PAYLOAD:,} bytes. With the pubsub layer, Redis"
            f" disconnects a process for which {PUBSUB_BUFFER:,} bytes are waiting, and one event"
            " may be that large.",
            hint="Lower REALTIME['MAX_PAYLOAD'] and send files as ordinary uploads, or raise"
            " Redis' client-output-buffer-limit for pubsub and silence this check.",
            id="realtime.W010",
        )
    ]


def hosts(entry: Config) -> Any:
    """As the settings have them."""
    return entry.get("CONFIG", {}).get("hosts") or ["redis://localhost:6379"]


def _check_cost() -> list[CheckMessage]:
    """The core layer is dear: that matters to a site whose every saved row is an emit."""
    models = announced_models()
    if not models:
        return []
    return [
        Info(
            f"Each change of {models} is an emit, and"
            f" {CORE!r} costs each process, and Redis, several times as much as the pubsub layer.",
            hint=f"Set BACKEND to {PUBSUB!r}. If you want the core layer, because it keeps"
            " messages for a process whose connection is cut, silence this check.",
            id="realtime.I001",
        )
    ]


def _check_capacity() -> list[CheckMessage]:
    # What the processes use, tests or not; making it opens no connection.
    capacity = layers.configured().get_capacity("realtime.check!")
    if capacity >= LEAST_CAPACITY:
        return []
    return [
        Warning(
            f"channel_capacity in CHANNEL_LAYERS limits the processes' own channels to {capacity}"
            " messages: in a burst, messages beyond that are lost.",
            hint="Remove the pattern that matches 'realtime.*' from channel_capacity: the limit is"
            f" then {layers.CHANNEL_CAPACITY}.",
            id="realtime.W006",
        )
    ]


def _check_expiry() -> list[CheckMessage]:
    layer = layers.configured()
    return [
        Warning(
            f"{name} in CHANNEL_LAYERS is {value} seconds: {what}.",
            hint=f"Leave {name} out of CONFIG, or give it at least {least}.",
            id="realtime.W007",
        )
        for name, value, least, what in [
            (
                "group_expiry",
                layer.group_expiry,
                LEAST_GROUP_EXPIRY,
                "rooms may vanish from Redis before they are renewed",
            ),
            (
                "expiry",
                layer.expiry,
                LEAST_EXPIRY,
                "a process that is suspended for that long loses its messages",
            ),
        ]
        if value < least
    ]


def _check_cache(entry: Config) -> list[CheckMessage]:
    """Django's cache.clear() empties the whole database of Redis."""
    used = {_database(host) for host in hosts(entry)} - {None}
    return [
        Warning(
            f"CACHES[{alias!r}] and CHANNEL_LAYERS[{settings.CHANNEL_LAYER!r}] share a Redis"
            " database: `cache.clear()` deletes rooms and messages in transit.",
            hint="Give one of them another database number at the end of its address, such as /1."
            " Another Redis is better: a cache may evict entries, and a channel layer must not.",
            id="realtime.W008",
        )
        for alias, cache in django_settings.CACHES.items()
        if cache.get("BACKEND") in REDIS_CACHES and used & set(_cache_databases(cache))
    ]


def _cache_databases(cache: Config) -> Iterator[tuple[str, int, str] | None]:
    location = cache.get("LOCATION") or ""
    servers = location.replace(";", ",").split(",") if isinstance(location, str) else location
    for server in servers:
        found = _database(server)
        number = (cache.get("OPTIONS") or {}).get("db")
        yield (*found[:2], str(number)) if found and number is not None else found


def _database(host: Any) -> tuple[str, int, str] | None:
    """Host, port and number of a database, from CHANNEL_LAYERS or CACHES; None if unclear."""
    if isinstance(host, tuple | list):
        return _place(host[0], host[1], 0)
    if isinstance(host, dict) and "address" not in host:
        return _place(host.get("host"), host.get("port"), host.get("db"))
    address = host["address"] if isinstance(host, dict) else host
    try:
        parts = urlsplit(address)
        number = parse_qs(parts.query).get("db", [parts.path.strip("/")])[0]
        return _place(parts.hostname, parts.port, number)
    except (TypeError, ValueError, AttributeError):
        return None


def _place(host: Any, port: Any, number: Any) -> tuple[str, int, str] | None:
    if not host:  # a unix socket, or Sentinel
        return None
    return ("127.0.0.1" if host == "localhost" else str(host), int(port or 6379), str(number or 0))


def _check_socket_timeout(entry: Config) -> list[CheckMessage]:
    short = [seconds for host in hosts(entry) for seconds in _socket_timeouts(host)]
    if not short:
        return []
    return [
        Warning(
            f"socket_timeout in CHANNEL_LAYERS is {min(short):g} seconds: an idle process keeps"
            " losing its connection to Redis, and with it what it was just reading.",
            hint=f"Leave socket_timeout out, or give it at least {LEAST_SOCKET_TIMEOUT}.",
            id="realtime.W009",
        )
    ]


def _socket_timeouts(host: Any) -> Iterator[float]:
    """Those that are too short."""
    values: list[Any] = []
    address = host
    if isinstance(host, dict):
        values.append(host.get("socket_timeout"))
        address = host.get("address", "")
    if isinstance(address, str):
        values += parse_qs(urlsplit(address).query).get("socket_timeout", [])
    for value in values:
        try:
            seconds = float(value)
        except (TypeError, ValueError):
            continue
        if seconds < LEAST_SOCKET_TIMEOUT:
            yield seconds
