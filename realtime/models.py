"""What the admin shows, as models without tables: they carry names, permissions and log entries.

Nothing of this is stored. The servers hold it, and the admin's pages ask them.
"""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy


class NothingStored(models.Manager[Any]):
    """For code that goes through all models, such as `dumpdata`: there is no table to read."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().none()


class Shown(models.Model):
    """Something that the admin has a page of, known by a key."""

    key = models.CharField(max_length=500, primary_key=True)
    objects = NothingStored()
    #: What people call it, where that is not the key; for the admin's log.
    label = ""

    class Meta:
        abstract = True
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.label or self.key


class Room(Shown):
    """A room in a namespace. Its key is "namespace,name", as in a packet of Socket.IO."""

    class Meta(Shown.Meta):
        permissions = [
            ("emit_room", "Can emit to room"),
            ("disconnect_room", "Can remove members of room and close it"),
            ("watch_room", "Can read the events of room as they pass"),
        ]
        verbose_name = gettext_lazy("room")
        verbose_name_plural = gettext_lazy("rooms")


class Socket(Shown):
    """One client in one namespace. Its key is the sid."""

    class Meta(Shown.Meta):
        permissions = [
            ("emit_socket", "Can emit to socket"),
            ("disconnect_socket", "Can disconnect socket"),
        ]
        verbose_name = gettext_lazy("socket")
        verbose_name_plural = gettext_lazy("sockets")


class OnlineUser(Shown):
    """A user with sockets. The key is "model:pk", such as "auth.user:7"."""

    class Meta(Shown.Meta):
        permissions = [
            ("emit_onlineuser", "Can emit to user"),
            ("disconnect_onlineuser", "Can disconnect user everywhere"),
        ]
        verbose_name = gettext_lazy("user")
        verbose_name_plural = gettext_lazy("users")


class Node(Shown):
    """A process with a server. Its key is the node's id."""

    class Meta(Shown.Meta):
        verbose_name = gettext_lazy("node")
        verbose_name_plural = gettext_lazy("nodes")
