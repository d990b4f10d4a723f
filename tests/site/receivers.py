"""Signal receivers that emit: every page hears of a new group, and of who comes and goes."""

import time
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_save
from django.dispatch import receiver

from realtime import aemit, emit
from realtime.operations.reports import UserInfo
from realtime.signals import presence_joined, presence_left


@receiver(post_save, sender=Group)
def group_saved(instance: Group, **kwargs: Any) -> None:
    emit("saved", instance.name, to=instance.name)


@receiver(user_logged_out)
def linger(request: Any, **kwargs: Any) -> None:
    """The log-out is told, and the session is still there: for as long as the request says."""
    time.sleep(float(request.GET.get("linger", 0)))


@receiver(presence_joined)
async def came(room: str, namespace: str, user: UserInfo, **kwargs: Any) -> None:
    await aemit("came", user.name, to=f"signals of {room}", namespace=namespace)


@receiver(presence_left)
def went(room: str, namespace: str, user: UserInfo, **kwargs: Any) -> None:
    """A plain function may use the ORM."""
    name = User.objects.get(pk=user.pk).username
    emit("went", name, to=f"signals of {room}", namespace=namespace)
