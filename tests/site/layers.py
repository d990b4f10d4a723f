"""CHANNEL_LAYERS for each kind of layer, here and in tests that emit without a server."""

from typing import Any

REDIS_LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


#: The site of the live tests, whose processes have settings of several modules.
SITE = "live"


def channel_layers(redis: str, kind: str, **config: Any) -> dict[str, dict[str, Any]]:
    if not redis:
        return {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    return {"default": {"BACKEND": REDIS_LAYERS[kind], "CONFIG": {"hosts": [redis], **config}}}
