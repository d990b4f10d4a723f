"""The site of the live tests: the demo's settings with an app, a database and pages of its own.

LIVE_REDIS         address of the layer's server; without it the channel layer is in memory
LIVE_LAYER         "core", "pubsub" or another one of tests/site/layers.py
LIVE_PARSER        "json" or "msgpack"
LIVE_EMIT_TIMEOUT  seconds
LIVE_RELAY         "no" for RELAY off
LIVE_PATIENCE      seconds of REQUEST_TIMEOUT
LIVE_GRACE         seconds of PRESENCE_GRACE
LIVE_SPANS         a file for the spans of OpenTelemetry; without it there are none
LIVE_LAYER_CONFIG  more of the Redis layer's CONFIG, as JSON
LIVE_RESYNC        the event that tells clients that they missed something
LIVE_SITE          name of the site; empty to derive it
LIVE_DATABASE      file of the database, in the folder of the tests
LIVE_SECRET_KEY    a SECRET_KEY in the place of that of the tests, which becomes its fallback
LIVE_DRAIN_BATCH   DRAIN_BATCH
LIVE_DRAIN_DELAY   seconds of DRAIN_DELAY
LIVE_SCRIPT_NAME   FORCE_SCRIPT_NAME
LIVE_LOGIN_CHECK   seconds of LOGIN_CHECK_INTERVAL
LIVE_SESSIONS      the session engine, as "cached_db"; caches are files that all processes share
LIVE_COURIER       seconds of DURABLE_INTERVAL; without it no server sends what others left over
LIVE_POSTGRES      port of a PostgreSQL of tests/live/deployment.py, in place of SQLite
LIVE_REALTIME      more of REALTIME, as JSON
LIVE_LOG           level of realtime's loggers; without it they are not configured
"""

import json
import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, FOLDER, MIGRATION_MODULES, SECRET_KEY
from tests.site.layers import SITE, channel_layers, postgres

INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework.authtoken",
    "channels",
    "realtime",
    "realtime.durable",
    "tests.site",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ROOT_URLCONF = "tests.site.urls"
ASGI_APPLICATION = "tests.site.asgi.application"
WSGI_APPLICATION = "tests.site.wsgi.application"
LOGIN_REDIRECT_URL = "who"
DATABASES["default"]["NAME"] = FOLDER / os.environ.get("LIVE_DATABASE", "live.sqlite3")

if "LIVE_POSTGRES" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "mysite",
        "HOST": "127.0.0.1",
        "PORT": os.environ["LIVE_POSTGRES"],
    }

CHANNEL_LAYERS = channel_layers(
    os.environ.get("LIVE_REDIS", ""),
    os.environ.get("LIVE_LAYER", "core"),
    **json.loads(os.environ.get("LIVE_LAYER_CONFIG", "{}")),
)
if os.environ.get("LIVE_REDIS", "").startswith("postgres"):
    INSTALLED_APPS.append("channels_postgres")
    MIGRATION_MODULES.clear()
    DATABASES["channels_postgres"] = postgres(os.environ["LIVE_REDIS"])
REALTIME = {
    "SITE": os.environ.get("LIVE_SITE", SITE) or None,
    "PARSER": os.environ.get("LIVE_PARSER", "json"),
    "EMIT_TIMEOUT": float(os.environ.get("LIVE_EMIT_TIMEOUT", "20")),
    "PRESENCE_GRACE": float(os.environ.get("LIVE_GRACE", "1")),
    "REQUEST_TIMEOUT": float(os.environ.get("LIVE_PATIENCE", "2")),
    "RELAY": os.environ.get("LIVE_RELAY") != "no",
    "DRAIN_DELAY": float(os.environ.get("LIVE_DRAIN_DELAY", "0")),
    "DRAIN_BATCH": int(os.environ.get("LIVE_DRAIN_BATCH", "100")),
    "METRICS_TOKEN": "of the tests",
    "RESYNC_EVENT": os.environ.get("LIVE_RESYNC"),
    "TOKEN_SOURCES": ["auth", "header", "query"],
    "JWT": {"ALGORITHMS": ["HS256"], "KEY": "of the tests, and of 32 characters"},
    "LOGIN_CHECK_INTERVAL": float(os.environ.get("LIVE_LOGIN_CHECK", "30")),
    # Sites of several tests share the database, of which each would send the other's rows.
    "DURABLE_INTERVAL": float(os.environ.get("LIVE_COURIER", "0")) or None,
    "DURABLE_LEASE": 1.0,
    **json.loads(os.environ.get("LIVE_REALTIME", "{}")),
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": FOLDER / "live-cache",
    }
}
SESSION_ENGINE = f"django.contrib.sessions.backends.{os.environ.get('LIVE_SESSIONS', 'db')}"
SESSION_FILE_PATH = FOLDER

if "LIVE_SECRET_KEY" in os.environ:
    SECRET_KEY_FALLBACKS = [SECRET_KEY]
    SECRET_KEY = os.environ["LIVE_SECRET_KEY"]

FORCE_SCRIPT_NAME = os.environ.get("LIVE_SCRIPT_NAME")

if "LIVE_LOG" in os.environ:
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"named": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "named"}},
        "loggers": {
            "realtime": {
                "handlers": ["stderr"],
                "level": os.environ["LIVE_LOG"],
                "propagate": False,
            }
        },
    }
