"""The demo site's settings with a database and files of this test run's own.

The processes that a test starts inherit the folder through the environment, and with it the
database: the test database is the one in NAME. What else they shall have, REDIS_URL say, the test
puts into their environment.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

FOLDER_VARIABLE = "REALTIME_TEST_FOLDER"
# What the caller's shell says about a site of its own must not change what is tested.
SITE_VARIABLES = [
    "CHAT_LAYER",
    "CSRF_TRUSTED_ORIGINS",
    "DJANGO_ALLOWED_HOSTS",
    "DJANGO_DEBUG",
    "REDIS_URL",
]


def remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # and not a process forked from it
        shutil.rmtree(folder, ignore_errors=True)


if FOLDER_VARIABLE not in os.environ:
    os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="realtime-tests-")
    atexit.register(remove, os.environ[FOLDER_VARIABLE], os.getpid())
    for name in SITE_VARIABLES:
        os.environ.pop(name, None)

# Each of several workers of one run has a folder, and so a database and a site, to itself.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER and Path(os.environ[FOLDER_VARIABLE]).name != WORKER:
    os.environ[FOLDER_VARIABLE] = str(Path(os.environ[FOLDER_VARIABLE]) / WORKER)
    Path(os.environ[FOLDER_VARIABLE]).mkdir()

FOLDER = Path(os.environ[FOLDER_VARIABLE])
os.environ["CHAT_DATABASE"] = str(FOLDER / "db.sqlite3")
os.environ["CHAT_MEDIA"] = str(FOLDER / "media")
os.environ["DJANGO_SECRET_KEY"] = "of the tests"

from project.settings import *  # noqa: E402, F403 - reads the variables set above
from project.settings import DATABASES, INSTALLED_APPS  # noqa: E402

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "realtime.durable",
    "rest_framework.authtoken",
    "channels_postgres",
    "tests.orders",
]
# Its migrations are PostgreSQL's; here its classes are needed alone.
MIGRATION_MODULES: dict[str, str | None] = {"channels_postgres": None}

DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
# Logging in costs nothing: what is tested is not the hashing.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
