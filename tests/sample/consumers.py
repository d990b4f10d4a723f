from typing import Any

from django.contrib.auth.models import User
from django.db.models.signals import post_save
from django.dispatch import receiver

from realtime import SocketIOConsumer, emit, event, namespace


@receiver(post_save, sender=User, dispatch_uid="tests.sample")
def tell_everyone(instance: User, **kwargs: Any) -> None:
    emit("user", instance.username)


@namespace("/")
class SampleConsumer(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        await self.join("lobby", presence=True)

    @event
    def rename(self, name: str) -> int:
        User.objects.filter(pk=self.user.pk).update(username=name)
        self.broadcast("renamed", name)
        return User.objects.count()
