"""A Celery application whose task emits."""

import os
from typing import Any

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")
django.setup()

from realtime import emit  # noqa: E402 - Django has to be set up first

app = Celery("tests.site", broker=os.environ.get("LIVE_BROKER", os.environ["LIVE_REDIS"]))
app.conf.task_ignore_result = True


@app.task(name="emit")
def emit_from_task(event: str, *args: Any, to: str | None = None, durable: bool = False) -> None:
    emit(event, *args, to=to, durable=durable)


@app.task(name="emit with the ORM")
def emit_from_task_with_orm(event: str, *args: Any, to: str | None = None) -> None:
    from django.contrib.auth.models import User

    User.objects.count()
    emit(event, *args, to=to)
    User.objects.count()
