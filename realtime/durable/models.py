"""The table of durable emits."""

from typing import ClassVar

from django.db import models


class DurableEmit(models.Model):
    """An event that its transaction left to be sent. What is encoded stays as it was encoded."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        #: Given up after DURABLE_ATTEMPTS; holds up nothing.
        DEAD = "dead"

    #: Told to the clients, which drop what they have had.
    key = models.UUIDField(unique=True, editable=False)
    event = models.CharField(max_length=200, help_text="Its name, for people.")
    namespace = models.CharField(max_length=200)
    to = models.TextField(help_text="Rooms and sids, as JSON; null for everyone.")
    parser = models.CharField(max_length=20)
    #: ASCII in JSON: a column for text refuses NUL in one database and four bytes in another.
    body = models.TextField(help_text="The emission, with the event encoded.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0, help_text="How often it failed.")
    error = models.TextField(blank=True, help_text="Of the last attempt.")
    created_at = models.DateTimeField(auto_now_add=True)
    #: Of a row that waits: until then it is another process's to send, or was just tried in vain.
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["DurableEmit"]] = models.Manager()

    class Meta:
        verbose_name = "durable emit"
        default_permissions = ("view", "delete")
        permissions: ClassVar = [("retry_durableemit", "Can retry durable emit")]
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["state", "namespace", "id"], name="realtime_durable_waiting"),
            models.Index(fields=["state", "sent_at"], name="realtime_durable_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.event} ({self.key})"
