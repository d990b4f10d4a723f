"""A signal receiver that emits: every page hears of a new group of users."""

from typing import Any

from django.contrib.auth.models import Group
from django.db.models.signals import post_save
from django.dispatch import receiver

from realtime import emit


@receiver(post_save, sender=Group)
def group_saved(instance: Group, **kwargs: Any) -> None:
    emit("saved", instance.name, to=instance.name)
