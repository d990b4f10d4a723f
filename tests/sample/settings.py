"""The sample's settings.

SAMPLE_REDIS          address of a running site's Redis; without it the layer is in memory
SAMPLE_LAYER          "core" or "pubsub"
SAMPLE_TEST_DATABASE  a file for the test database; without it that is in memory
"""

import os

from tests.site.layers import SITE, channel_layers

SECRET_KEY = "of the tests"
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "realtime",
    "tests.sample",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.sample.urls"
ASGI_APPLICATION = "tests.sample.asgi.application"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "TEST": {"NAME": os.environ.get("SAMPLE_TEST_DATABASE")},
    }
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
CHANNEL_LAYERS = channel_layers(
    os.environ.get("SAMPLE_REDIS", ""), os.environ.get("SAMPLE_LAYER", "core")
)
REALTIME = {"SITE": SITE}
