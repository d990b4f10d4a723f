"""System checks for production, `manage.py check --deploy`; Django has its own for pages.

All of them look only at settings and installed packages, and warn where something is very likely
wrong. What a proxy does, and how many processes there are, `manage.py realtime doctor` finds out.
"""

from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Warning

from ..conf import settings
from .layers import check_layer_in_production
from .settings import check_values

#: Seconds. nginx and the load balancers of the large clouds close a silent connection after 60.
PROXY_PATIENCE = 55
#: PostgreSQL accepts 100 connections by default, three of them reserved for its superuser.
SERVER_CONNECTIONS = 97
#: The characters that a token needs so that nobody guesses it.
LEAST_TOKEN = 16

SESSIONS_IN_CACHE = {
    "django.contrib.sessions.backends.cache",
    "django.contrib.sessions.backends.cached_db",
}
OWN_CACHES = {
    "django.core.cache.backends.locmem.LocMemCache",
    "django.core.cache.backends.dummy.DummyCache",
}
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """All checks for production; each has an entry in docs/checks.md."""
    if check_values():  # check_settings reports these errors
        return []
    return [
        *check_layer_in_production(),
        *_check_hosts(),
        *_check_origins(),
        *_check_sessions(),
        *_check_databases(),
        *_check_ping(),
        *_check_drain(),
        *_check_sizes(),
        *_check_token(),
    ]


# Who may connect


def _check_hosts() -> list[CheckMessage]:
    if "*" not in django_settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            'ALLOWED_HOSTS contains "*", so only the Host header of the request decides whether a'
            " page may open a socket.",
            hint="Name the site's hosts in ALLOWED_HOSTS. Their pages can then connect even if a"
            " proxy does not pass the Host header on.",
            id="realtime.W011",
        )
    ]


def _check_origins() -> list[CheckMessage]:
    return [
        Warning(
            f"CSRF_TRUSTED_ORIGINS contains {origin!r}, {fault}.",
            hint='Write an origin as "https://app.example.com", or "https://*.example.com" for all'
            " hosts below a domain of yours. Its pages may open sockets with your users' cookies.",
            id="realtime.W012",
        )
        for origin in django_settings.CSRF_TRUSTED_ORIGINS
        if (fault := _fault(origin))
    ]


def _fault(origin: str) -> str | None:
    host = urlsplit(origin).netloc
    if "*" in host and (not host.startswith("*.") or "*" in host[2:]):
        return "which matches no page"
    if host.startswith("*.") and "." not in host[2:]:
        return "which trusts a whole top-level domain"
    if urlsplit(origin).hostname in LOCAL_HOSTS:
        return "which trusts whatever runs on the machines of your users"
    return None


def _check_sessions() -> list[CheckMessage]:
    if not apps.is_installed("django.contrib.sessions"):
        return []
    alias = django_settings.SESSION_CACHE_ALIAS
    backend = django_settings.CACHES.get(alias, {}).get("BACKEND")
    if django_settings.SESSION_ENGINE not in SESSIONS_IN_CACHE or backend not in OWN_CACHES:
        return []
    return [
        Warning(
            f"Sessions are stored in CACHES[{alias!r}], which is private to each process: a user"
            " who logs in or out in one process has not done so in the others.",
            hint="Use a cache that all processes share, or the default SESSION_ENGINE.",
            id="realtime.W013",
        )
    ]


# What it stands on


def _check_databases() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    for alias, database in django_settings.DATABASES.items():
        engine = str(database.get("ENGINE", ""))
        if engine.endswith("sqlite3"):
            messages += _check_sqlite(alias, database)
        elif engine and not engine.endswith("dummy"):
            messages += _check_connections(alias, database)
    return messages


def _check_sqlite(alias: str, database: dict[str, Any]) -> list[CheckMessage]:
    mode = str((database.get("OPTIONS") or {}).get("transaction_mode")).upper()
    if settings.THREADS == 1 or mode in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    return [
        Warning(
            f"DATABASES[{alias!r}] is SQLite, and handlers use it from {settings.THREADS} threads:"
            ' those that write will fail with "database is locked".',
            hint="Use PostgreSQL. For a small site on one machine, give SQLite the OPTIONS"
            ' {"transaction_mode": "IMMEDIATE", "timeout": 20} and a WAL journal.',
            id="realtime.W014",
        )
    ]


def _check_connections(alias: str, database: dict[str, Any]) -> list[CheckMessage]:
    if database.get("CONN_MAX_AGE", 0) != 0:
        return [
            Warning(
                f"CONN_MAX_AGE of DATABASES[{alias!r}] is not 0: each of the {settings.THREADS}"
                " threads of each process keeps a connection, and under ASGI so does each thread"
                " of Django's views.",
                hint="Set it to 0. If connecting is too slow, use a pool:"
                ' OPTIONS = {"pool": {"min_size": 2, "max_size": 16}} with psycopg, or PgBouncer.',
                id="realtime.W015",
            )
        ]
    if settings.THREADS <= SERVER_CONNECTIONS or (database.get("OPTIONS") or {}).get("pool"):
        return []
    return [
        Warning(
            f"THREADS is {settings.THREADS}: one process may open more connections to"
            f" DATABASES[{alias!r}] than a server accepts by default.",
            hint="Lower REALTIME['THREADS'], or use a pool"
            ' (OPTIONS = {"pool": {"min_size": 2, "max_size": 16}} with psycopg).',
            id="realtime.W016",
        )
    ]


# Figures that do not go together


def _check_ping() -> list[CheckMessage]:
    if settings.PING_INTERVAL <= PROXY_PATIENCE:
        return []
    return [
        Warning(
            f"PING_INTERVAL is {settings.PING_INTERVAL:g} seconds, and most proxies close a"
            " connection that is silent for 60.",
            hint=f"Set REALTIME['PING_INTERVAL'] to {PROXY_PATIENCE} at most; the default is 25.",
            id="realtime.W017",
        )
    ]


def _check_drain() -> list[CheckMessage]:
    if settings.DRAIN_TIMEOUT >= settings.CLOSE_TIMEOUT:
        return []
    return [
        Warning(
            f"DRAIN_TIMEOUT is {settings.DRAIN_TIMEOUT:g} seconds and CLOSE_TIMEOUT"
            f" {settings.CLOSE_TIMEOUT:g}: a process that shuts down cuts off handlers that it"
            " would otherwise let finish.",
            hint="Make REALTIME['DRAIN_TIMEOUT'] longer than CLOSE_TIMEOUT, and have the"
            " supervisor wait even longer before it sends SIGKILL.",
            id="realtime.W018",
        )
    ]


def _check_sizes() -> list[CheckMessage]:
    if settings.MAX_PAYLOAD <= settings.OUTBOX_BYTES:
        return []
    return [
        Warning(
            f"MAX_PAYLOAD is {settings.MAX_PAYLOAD:,} bytes and OUTBOX_BYTES"
            f" {settings.OUTBOX_BYTES:,}: one client's event, passed on to others, may be large"
            " enough to close their connections.",
            hint="Make REALTIME['OUTBOX_BYTES'] several times as large as MAX_PAYLOAD.",
            id="realtime.W019",
        )
    ]


def _check_token() -> list[CheckMessage]:
    token = settings.METRICS_TOKEN
    if not token or (len(token) >= LEAST_TOKEN and token != django_settings.SECRET_KEY):
        return []
    fault = "is shorter than 16 characters" if len(token) < LEAST_TOKEN else "equals SECRET_KEY"
    return [
        Warning(
            f"METRICS_TOKEN {fault}.",
            hint='Make one with `python -c "import secrets; print(secrets.token_urlsafe())"` and'
            " give it to Prometheus too. Or set it to None, so that only staff can read the"
            " metrics.",
            id="realtime.W020",
        )
    ]
