"""mysite/production.py: the settings of docs/installation.md, for production behind nginx.

tests/live/test_deploy.py runs a site with this very file.
"""

import logging
import os

from realtime.logs import HideSessions

from . import settings
from .settings import *  # noqa: F403
from .settings import BASE_DIR, INSTALLED_APPS

DEBUG = False
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
# Pages of these hosts may open sockets; list the origins of other sites in CSRF_TRUSTED_ORIGINS.
ALLOWED_HOSTS = os.environ["DJANGO_ALLOWED_HOSTS"].split(",")

# nginx sets this header, in place of whatever a client sent.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

# Each once, whether or not your settings have them already.
INSTALLED_APPS = [*dict.fromkeys(["daphne", *INSTALLED_APPS, "channels", "realtime"])]
ASGI_APPLICATION = "mysite.asgi.application"
STATIC_ROOT = BASE_DIR / "static"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"],
        "USER": os.environ["PGUSER"],
        "PASSWORD": os.environ["PGPASSWORD"],
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        # A pool of connections for all threads of the process. Each is tried before it is used,
        # because none of them outlives a restart of the database.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"pool": {"min_size": 2, "max_size": 16, "timeout": 10}},
    }
}

# From Django 6.1 on, a new project prints its mail instead of sending it. Earlier versions have
# EMAIL_HOST instead, whose default is the same.
MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {"host": "localhost"},
    }
}

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
    }
}

# Those of settings.py, and what is different in production.
REALTIME = {
    **getattr(settings, "REALTIME", {}),
    "METRICS_TOKEN": os.environ["METRICS_TOKEN"],
    # Seconds in which a load balancer notices that the process is not ready, before it drains.
    "DRAIN_DELAY": float(os.environ.get("DRAIN_DELAY", "0")),
    "DRAIN_TIMEOUT": float(os.environ.get("DRAIN_TIMEOUT", "25")),
}

# To the journal. Without this, Django logs nothing in production, not even the errors of views.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"realtime": {"level": "INFO"}},
}

# uvicorn logs the address of each websocket, with the secret of its session in it, even if it is
# told to write no access log.
logging.getLogger("uvicorn.error").addFilter(HideSessions())
