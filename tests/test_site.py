"""The name of the site: what has to agree on it does, and what has not does not."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from realtime.checks.layers import check_layer_in_production
from realtime.cluster.site import Site, current_site

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
POSTGRESQL = "django.db.backends.postgresql"
SQLITE = "django.db.backends.sqlite3"

pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES:UserWarning")


def layers(*hosts: Any, backend: str = PUBSUB, **config: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": backend, "CONFIG": {"hosts": list(hosts), **config}}}


def databases(name: Any = "shop", engine: str = POSTGRESQL, **more: Any) -> dict[str, Any]:
    return {"default": {"ENGINE": engine, "NAME": name, **more}}


USUAL: dict[str, Any] = {
    "ROOT_URLCONF": "shop.urls",
    "DATABASES": databases(HOST="db.internal", PORT=5432, USER="web"),
    "CHANNEL_LAYERS": layers("redis://redis.internal:6379/0"),
    "SECRET_KEY": "one",
    "REALTIME": {},
}


def site(**changes: Any) -> Site:
    with override_settings(**USUAL | changes):
        return current_site()


@pytest.mark.parametrize(
    "changes",
    [
        {"SECRET_KEY": "another", "SECRET_KEY_FALLBACKS": ["one"]},
        {"SECRET_KEY": "another"},
        {"DATABASES": databases(HOST="127.0.0.1", PORT=6432, USER="worker")},
        {"DATABASES": databases(engine="django_prometheus.db.backends.postgresql")},
        {"DATABASES": databases() | {"replica": {"ENGINE": POSTGRESQL, "NAME": "copy"}}},
        {"ROOT_URLCONF": "shop.staff.urls"},
        {"CHANNEL_LAYERS": layers("redis://:password@127.0.0.1:6380")},
        {"CHANNEL_LAYERS": layers(("127.0.0.1", 6379))},
        {"CHANNEL_LAYERS": layers("rediss://redis.internal", backend=CORE)},
        {"DEBUG": True, "ALLOWED_HOSTS": ["*"], "CACHES": {}},
        {"REALTIME": {"PATH": "/io/", "SITE": None}},
    ],
)
def test_processes_of_one_site_agree(changes: Any) -> None:
    assert site(**changes).digest == site().digest


@pytest.mark.parametrize(
    "changes",
    [
        {"ROOT_URLCONF": "blog.urls"},
        {"DATABASES": databases("shop_staging", HOST="db.internal")},
        {"DATABASES": databases("", OPTIONS={"service": "staging"})},
        {"CHANNEL_LAYERS": layers("redis://redis.internal:6379/1")},
        {"CHANNEL_LAYERS": layers("redis://redis.internal:6379/0", prefix="staging")},
        {"REALTIME": {"SITE": "staging"}},
        # What a derived name looks like is no way into the site that derived it.
        {"REALTIME": {"SITE": "shop"}},
    ],
)
def test_two_sites_differ(changes: Any) -> None:
    assert site(**changes).digest != site().digest


@pytest.mark.parametrize(
    "host",
    [
        "redis://r:6379/3",
        "rediss://:secret@r/3",
        "redis://r?db=3",
        "redis://r/1?db=3",
        "unix:///run/redis/redis.sock?db=3",
        {"address": "redis://r/3"},
        {"address": "redis://r", "db": 3},
        {"address": "redis://r/3", "db": 1},
        {"host": "r", "port": 6379, "db": 3},
        {"master_name": "m", "sentinels": [("s", 26379)], "db": 3},
    ],
)
def test_database_of_redis_is_read_in_each_notation(host: Any) -> None:
    assert site(CHANNEL_LAYERS=layers(host)).place == "database 3, prefix 'asgi'"


@pytest.mark.parametrize(
    "found", [{}, {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}]
)
def test_site_without_redis_has_a_name(found: Any) -> None:
    assert site(CHANNEL_LAYERS=found).place == "database 0, prefix 'asgi'"


def test_name_that_is_given_joins_what_the_default_would_part() -> None:
    named = {"REALTIME": {"SITE": "shop"}}
    other = {"ROOT_URLCONF": "worker.urls", "DATABASES": {}}
    assert site(**named).digest == site(**named, **other).digest
    elsewhere = {"CHANNEL_LAYERS": layers("redis://redis.internal:6379/1")}
    assert site(**named).digest != site(**named, **elsewhere).digest


def test_sqlite_is_told_by_its_whole_path(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    relative = site(DATABASES=databases("db.sqlite3", SQLITE))
    assert relative == site(DATABASES=databases(tmp_path / "db.sqlite3", SQLITE))
    monkeypatch.chdir(os.sep)
    assert relative != site(DATABASES=databases("db.sqlite3", SQLITE))


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"DATABASES": {}}, "no database is configured"),
        ({"DATABASES": {"default": {}}}, "no database is configured"),
        ({"DATABASES": databases(":memory:", SQLITE)}, "in memory"),
        ({"DATABASES": databases("file::memory:?cache=shared", SQLITE)}, "in memory"),
        ({"DATABASES": databases("/app/db.sqlite3", SQLITE)}, "containers"),
    ],
)
def test_name_that_may_be_another_sites_is_warned_of(changes: Any, doubt: str) -> None:
    assert doubt in site(**changes).doubt
    with override_settings(**USUAL | changes):
        found = [message for message in check_layer_in_production() if message.id.endswith("W021")]
        assert len(found) == 1 and doubt in found[0].msg
    with override_settings(**USUAL | changes | {"REALTIME": {"SITE": "shop"}}):
        assert current_site().doubt == ""
        assert check_layer_in_production() == []


def test_usual_site_is_not_warned_of() -> None:
    assert site().doubt == ""
    with override_settings(**USUAL):
        assert check_layer_in_production() == []
