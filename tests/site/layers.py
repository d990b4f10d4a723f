"""CHANNEL_LAYERS for each kind of layer, here and in tests that emit without a server.

LIVE_LAYERS    the kinds in place of "core" and "pubsub", for a run of whole test files on others:
               LIVE_LAYERS=valkey,valkey-pubsub pytest tests/live/test_faults.py
"""

import os
from typing import Any
from urllib.parse import urlsplit

LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "valkey": "channels_valkey.core.ValkeyChannelLayer",
    "valkey-pubsub": "channels_valkey.pubsub.ValkeyPubSubChannelLayer",
    "postgres": "channels_postgres.core.PostgresChannelLayer",
}
STAND_INS = dict(
    zip(
        ["core", "pubsub"], filter(None, os.environ.get("LIVE_LAYERS", "").split(",")), strict=False
    )
)


#: The site of the live tests, whose processes have settings of several modules.
SITE = "live"


def channel_layers(address: str, kind: str, **config: Any) -> dict[str, dict[str, Any]]:
    """`address` may be several, separated by commas: the hosts of a layer that shards.

    That of a Sentinel stands for the Redis that it calls "live".
    """
    if not address:
        return {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    kind = STAND_INS.get(kind, kind)
    where = postgres(address) if kind == "postgres" else {"hosts": hosts(address)}
    if kind == "postgres":
        # It has a pool for each process, and a server takes a hundred connections.
        where["PSYCOPG_OPTIONS"] = {"min_size": 1, "max_size": 4}
        config.pop("channel_capacity", None)
    return {"default": {"BACKEND": LAYERS[kind], "CONFIG": {**where, **config}}}


def hosts(address: str) -> list[Any]:
    """The Redis layers' setting."""
    if address.startswith("sentinel:"):
        where = urlsplit(address)
        return [{"sentinels": [[where.hostname, where.port]], "master_name": "live"}]
    return address.split(",")


def postgres(address: str) -> dict[str, Any]:
    """The entry of DATABASES for a PostgreSQL of tests/live/deployment.py."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "mysite",
        "PASSWORD": "",
        "HOST": "127.0.0.1",
        "PORT": str(urlsplit(address).port),
        "TIME_ZONE": None,
    }
