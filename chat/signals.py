from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from chat.consumers import NAMESPACE
from chat.models import Announcement
from realtime import emit


@receiver(post_save, sender=Announcement, dispatch_uid="chat.show_announcement")
def show_announcement(instance: Announcement, **kwargs: Any) -> None:
    """Every open page shows it, or takes it away if it is no longer active."""
    tell_everyone(instance.as_dict())


@receiver(post_delete, sender=Announcement, dispatch_uid="chat.withdraw_announcement")
def withdraw_announcement(instance: Announcement, **kwargs: Any) -> None:
    tell_everyone(instance.as_dict() | {"active": False})


def tell_everyone(announcement: dict[str, Any]) -> None:
    # It is saved whether or not Redis is up; pages that open later read it from the database.
    emit("announcement", announcement, namespace=NAMESPACE, on_commit=True, fail_silently=True)
