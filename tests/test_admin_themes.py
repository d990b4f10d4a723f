"""The admin's pages under themes that replace Django's templates and stylesheets."""

import json
import subprocess
import sys

import pytest

#: In a process of its own, because apps can't be exchanged in one that runs.
RENDER = """
import json, sys, django
from django.conf import settings
from tests import settings as base

theme = sys.argv[1]
values = {name: getattr(base, name) for name in dir(base) if name.isupper()}
values["INSTALLED_APPS"] = [theme, *values["INSTALLED_APPS"]]
values["DATABASES"] = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
settings.configure(**values)
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment

setup_test_environment()
call_command("migrate", verbosity=0)
client = Client()
client.force_login(User.objects.create_superuser("root"))
pages = {}
for path in ["room/", "room/view/?namespace=/&room=lobby", "room/emit/?namespace=/&room=lobby",
             "room/close/?namespace=/&room=lobby", "room/%2F,lobby/history/", "socket/",
             "onlineuser/", "node/"]:
    response = client.get(f"/admin/realtime/{path}")
    assert response.status_code == 200, (path, response.status_code)
    pages[path] = response.content.decode()
print(json.dumps(pages))
"""


@pytest.mark.parametrize("theme", ["unfold", "jazzmin"])
def test_pages_bring_their_own_title_and_controls(theme: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", RENDER, theme]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = json.loads(done.stdout.splitlines()[-1])
    assert "History of lobby in /" in pages.pop("room/%2F,lobby/history/")
    for path, page in pages.items():
        assert f"/{theme}/" in page, path
        assert 'class="realtime"' in page, path
        assert page.count("<h1>") == 1, path
        assert "realtime/admin/realtime.css" in page, path
    assert 'href="#realtime-emit"' in pages["room/view/?namespace=/&room=lobby"]
