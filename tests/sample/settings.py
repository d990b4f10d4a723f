"""SAMPLE_REDIS is the address of a running site's Redis; without it the layer is in memory."""

import os

from tests.site.layers import channel_layers

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
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CHANNEL_LAYERS = channel_layers(
    os.environ.get("SAMPLE_REDIS", ""), os.environ.get("SAMPLE_LAYER", "core")
)
