"""Checks for production: each by the mistake that it finds, on settings that are otherwise sane."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import checks
from django.test import override_settings

from realtime import announce_changes
from realtime.changes.declarations import forget
from realtime.checks.deployment import check_deployment
from tests.orders.models import Order

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
VALKEY = "channels_valkey.pubsub.ValkeyPubSubChannelLayer"
POSTGRES = "channels_postgres.core.PostgresChannelLayer"
REDIS_CACHE = "django.core.cache.backends.redis.RedisCache"
LOCAL_CACHE = "django.core.cache.backends.locmem.LocMemCache"
SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"
CACHED_SESSIONS = "django.contrib.sessions.backends.cache"


def layers(backend: str = CORE, **config: Any) -> dict[str, Any]:
    hosts = ["redis://redis.internal:6379/0"]
    return {"default": {"BACKEND": backend, "CONFIG": {"hosts": hosts, **config}}}


IN_MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


def databases(engine: str = POSTGRESQL, **more: Any) -> dict[str, Any]:
    return {"default": {"ENGINE": engine, "NAME": "mysite", **more}}


def caches(location: Any, **more: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": REDIS_CACHE, "LOCATION": location, **more}}


def on_postgres() -> dict[str, Any]:
    """Settings of a site whose layer is PostgreSQL's."""
    place = {
        **databases()["default"],
        "USER": "mysite",
        "PASSWORD": "",
        "HOST": "127.0.0.1",
        "PORT": "5432",
        "TIME_ZONE": None,
    }
    return {
        "DATABASES": {**databases(), "channels_postgres": place},
        "CHANNEL_LAYERS": {"default": {"BACKEND": POSTGRES, "CONFIG": place}},
    }


# They are looked at only; no connection is made with them.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES:UserWarning")

SANE: dict[str, Any] = {
    "DEBUG": False,
    "ALLOWED_HOSTS": ["example.com", ".example.org"],
    "CSRF_TRUSTED_ORIGINS": ["https://app.example.net", "https://*.example.net"],
    "CHANNEL_LAYERS": layers(),
    "DATABASES": databases(),
    "CACHES": caches("redis://redis.internal:6379/1"),
    "SESSION_ENGINE": CACHED_SESSIONS,
    "REALTIME": {"METRICS_TOKEN": "bHVja3kgbnVtYmVycw"},
}

SILENT: list[dict[str, Any]] = [
    {},
    {"CHANNEL_LAYERS": layers(PUBSUB)},
    {"CHANNEL_LAYERS": layers(PUBSUB), "REALTIME": {"RECOVERY": {}}},
    {"CHANNEL_LAYERS": layers(capacity=10, channel_capacity={"http.*": 10}, expiry=30)},
    {"CHANNEL_LAYERS": layers(channel_capacity={"realtime.*": 50_000})},
    {"CHANNEL_LAYERS": layers(group_expiry=60)},
    {"CHANNEL_LAYERS": layers(hosts=[{"address": "redis://r?socket_timeout=5", "db": 3}])},
    {"CHANNEL_LAYERS": layers(hosts=[{"master_name": "m", "sentinels": [("s", 26379)]}])},
    # Redis forgets no subscription when its database is emptied.
    {"CHANNEL_LAYERS": layers(PUBSUB), "CACHES": caches("redis://redis.internal")},
    {"CACHES": caches("redis://redis.internal", OPTIONS={"db": 1})},
    {"CACHES": caches("redis://elsewhere")},
    {"CACHES": {"default": {"BACKEND": LOCAL_CACHE}}, "SESSION_ENGINE": "sessions.of.ours"},
    {"DATABASES": databases(OPTIONS={"pool": True}), "REALTIME": {"THREADS": 500}},
    {
        "DATABASES": databases(SQLITE, OPTIONS={"transaction_mode": "IMMEDIATE"}),
        "REALTIME": {"SITE": "shop"},
    },
    {"DATABASES": databases(SQLITE), "REALTIME": {"SITE": "shop", "THREADS": 1}},
    {"DATABASES": {}, "REALTIME": {"SITE": "shop"}},
    {"REALTIME": {"RELAY": False, "TRANSPORTS": ["websocket"]}},
    {"REALTIME": {"MAX_PAYLOAD": 40_000_000, "OUTBOX_BYTES": 100_000_000}},
    {"REALTIME": {"METRICS_TOKEN": ""}},
]

MISTAKES: list[tuple[str, dict[str, Any]]] = [
    ("W003", {"CHANNEL_LAYERS": IN_MEMORY, "DEBUG": True}),
    ("W005", {"REALTIME": {"RELAY": False}}),
    ("W006", {"CHANNEL_LAYERS": layers(channel_capacity={"*": 100})}),
    ("W006", {"CHANNEL_LAYERS": layers(channel_capacity={"realtime.*": 500})}),
    ("W007", {"CHANNEL_LAYERS": layers(group_expiry=10)}),
    ("W007", {"CHANNEL_LAYERS": layers(expiry=2)}),
    ("W008", {"CACHES": caches("redis://redis.internal")}),
    ("W008", {"CACHES": caches(["redis://other/0", "redis://redis.internal:6379/0"])}),
    ("W008", {"CACHES": caches("redis://redis.internal/7", OPTIONS={"db": 0})}),
    (
        "W008",
        {
            "CHANNEL_LAYERS": layers(hosts=[("localhost", 6379)]),
            "CACHES": caches("redis://127.0.0.1;redis://other"),
        },
    ),
    ("W009", {"CHANNEL_LAYERS": layers(hosts=["redis://redis.internal?socket_timeout=1"])}),
    (
        "W009",
        {"CHANNEL_LAYERS": layers(hosts=[{"address": "redis://redis", "socket_timeout": 0.5}])},
    ),
    (
        "W010",
        {
            "CHANNEL_LAYERS": layers(PUBSUB),
            "REALTIME": {"MAX_PAYLOAD": 40_000_000, "OUTBOX_BYTES": 100_000_000},
        },
    ),
    ("W011", {"ALLOWED_HOSTS": ["example.com", "*"]}),
    ("W012", {"CSRF_TRUSTED_ORIGINS": ["https://*"]}),
    ("W012", {"CSRF_TRUSTED_ORIGINS": ["https://example.*"]}),
    ("W012", {"CSRF_TRUSTED_ORIGINS": ["https://*.com"]}),
    ("W012", {"CSRF_TRUSTED_ORIGINS": ["http://localhost:3000"]}),
    ("W012", {"CSRF_TRUSTED_ORIGINS": ["http://[::1]:3000"]}),
    ("W013", {"CACHES": {"default": {"BACKEND": LOCAL_CACHE}}}),
    ("W014", {"DATABASES": databases(SQLITE), "REALTIME": {"SITE": "shop"}}),
    ("W015", {"DATABASES": databases(CONN_MAX_AGE=60)}),
    ("W015", {"DATABASES": databases(CONN_MAX_AGE=None)}),
    ("W016", {"REALTIME": {"THREADS": 128}}),
    ("W017", {"REALTIME": {"PING_INTERVAL": 60}}),
    ("W018", {"REALTIME": {"DRAIN_TIMEOUT": 5}}),
    ("W018", {"REALTIME": {"CLOSE_TIMEOUT": 120}}),
    ("W019", {"REALTIME": {"MAX_PAYLOAD": 20_000_000}}),
    ("W020", {"REALTIME": {"METRICS_TOKEN": "secret"}}),
    ("W020", {"REALTIME": {"METRICS_TOKEN": django_settings.SECRET_KEY * 2}}),
    ("W021", {"DATABASES": {}}),
    ("W027", {**on_postgres(), "REALTIME": {"RECOVERY": {}}}),
    ("W027", {"CHANNEL_LAYERS": layers(VALKEY), "REALTIME": {"RECOVERY": {"WINDOW": 60}}}),
    ("W021", {"DATABASES": databases(SQLITE), "REALTIME": {"THREADS": 1}}),
]


@pytest.fixture
def found(settings: Any) -> Any:
    def found(**change: Any) -> list[checks.CheckMessage]:
        for name, value in {**SANE, **change}.items():
            setattr(settings, name, value)
        return check_deployment(None)

    return found


@pytest.mark.parametrize("change", SILENT)
def test_sane_production_settings_are_silent(found: Any, change: dict[str, Any]) -> None:
    assert found(**change) == []


@pytest.mark.parametrize(("expected", "change"), MISTAKES)
def test_mistake_is_found(found: Any, expected: str, change: dict[str, Any]) -> None:
    (message,) = found(**{"SECRET_KEY": django_settings.SECRET_KEY * 2, **change})
    assert message.id == f"realtime.{expected}"
    assert message.hint


@pytest.mark.parametrize(
    ("change", "advised"),
    [
        ({"CHANNEL_LAYERS": layers(CORE)}, ["realtime.I001"]),
        ({"CHANNEL_LAYERS": layers(PUBSUB)}, []),
        (on_postgres(), ["realtime.I002"]),
    ],
    ids=["core", "pubsub", "postgres"],
)
def test_layer_for_many_emits_is_advised_where_models_announce_changes(
    found: Any, change: dict[str, Any], advised: list[str]
) -> None:
    announce_changes(Order, to="all", fields=("id",))
    try:
        messages = found(**change)
    finally:
        forget(Order)
    advice = [message for message in messages if message.level == checks.INFO]
    assert [message.id for message in advice] == advised
    assert all("orders.Order" in message.msg for message in advice)


def test_wrong_values_are_left_to_the_check_of_values(found: Any) -> None:
    assert found(REALTIME={"PING_INTERVAL": "60", "THREADS": "many"}) == []


# Some of Django's own ask the database what it can do.
@pytest.mark.django_db
def test_checks_run_with_deploy_only() -> None:
    with override_settings(**{**SANE, "ALLOWED_HOSTS": ["*"]}):
        everyday = checks.run_checks()
        deployment = checks.run_checks(include_deployment_checks=True)
    assert "realtime.W011" not in [message.id for message in everyday]
    assert "realtime.W011" in [message.id for message in deployment]


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [False, True])
def test_the_in_memory_layer_is_told_of_once(debug: bool) -> None:
    with override_settings(**{**SANE, "CHANNEL_LAYERS": IN_MEMORY, "DEBUG": debug}):
        found = [message.id for message in checks.run_checks(include_deployment_checks=True)]
    assert found.count("realtime.W003") == 1
