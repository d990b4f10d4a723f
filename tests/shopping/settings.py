"""Settings of the shopping list."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("SHOPPING_FOLDER", "."))

SECRET_KEY = "not secret: only for the tests of this repository"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "realtime",
    "tests.shopping",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "realtime.middleware.ActingPageMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ROOT_URLCONF = "tests.shopping.urls"
ASGI_APPLICATION = "tests.shopping.asgi.application"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "db.sqlite3",
        "OPTIONS": {"timeout": 30},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ.get("SHOPPING_REDIS", "redis://127.0.0.1:6379/0")]},
    }
}
REALTIME = {
    "AUTHENTICATION_CLASSES": [
        "realtime.authentication.SessionAuthentication",
        "realtime.authentication.SignedTokenAuthentication",
    ]
}
