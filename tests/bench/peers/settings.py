"""Settings of the peers that are Django sites, with sessions and users as usual."""

import os
from typing import Any

from tests.bench.peers import NO_PINGS

ALLOWED_HOSTS = ["127.0.0.1"]
SECRET_KEY = "benchmark"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "realtime",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", ":memory:"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.bench.peers.settings"
urlpatterns: list[object] = []

CHANNEL_LAYERS: dict[str, dict[str, Any]]
if redis_url := os.environ.get("REDIS_URL"):
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": os.environ.get("LAYER", "channels_redis.core.RedisChannelLayer"),
            "CONFIG": {"hosts": redis_url.split(",")},
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

REALTIME = {
    "PING_INTERVAL": NO_PINGS,
    "PING_TIMEOUT": NO_PINGS,
    # One address opens thousands of connections here. All other limits are on, as for users.
    "CONNECTION_RATE": None,
    "JSON": os.environ.get("JSON", "realtime.json"),
    **({"GC_THRESHOLD": None} if os.environ.get("GC") == "untouched" else {}),
}
