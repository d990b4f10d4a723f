import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify

PAGE_SIZE = 50
MEMBERS_SHOWN = 50


def new_client_id() -> str:
    return str(uuid.uuid4())


def picture_path(message: "Message", filename: str) -> str:
    return f"pictures/{uuid.uuid4().hex}.{filename.rpartition('.')[2]}"


class Room(models.Model):
    name = models.CharField(max_length=60, unique=True)
    slug = models.SlugField(max_length=80, unique=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="rooms_created",
    )
    created = models.DateTimeField(default=timezone.now, editable=False)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="chat_rooms"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.slug:
            self.slug = self.free_slug()
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("room", args=[self.slug])

    def free_slug(self) -> str:
        slug = slugify(self.name)[:60] or "room"
        taken = Room.objects.filter(slug=slug).exists()
        return f"{slug}-{uuid.uuid4().hex[:8]}" if taken else slug

    def latest_members(self) -> list[Any]:
        memberships = self.memberships.select_related("user").order_by("-joined")
        return [membership.user for membership in memberships[:MEMBERS_SHOWN]]

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "slug": self.slug, "url": self.get_absolute_url()}


class MembershipQuerySet(models.QuerySet["Membership"]):
    def with_unread(self) -> "MembershipQuerySet":
        """Adds `unread`: messages of others in the room, later than the last one read."""
        later = Q(room__messages__id__gt=F("last_read"))
        others = ~Q(room__messages__author=F("user"))
        return self.annotate(unread=Count("room__messages", filter=later & others))


class Membership(models.Model):
    """A room that a user has joined, and the message up to which they have read it."""

    room = models.ForeignKey(Room, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    last_read = models.PositiveBigIntegerField(default=0)
    joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ["room__name"]
        constraints = [models.UniqueConstraint(fields=["room", "user"], name="one_membership")]

    def __str__(self) -> str:
        return f"{self.user} in {self.room}"

    def read_up_to(self, message_id: int) -> None:
        """Moves the mark forward only: of two open pages, the one that is behind does not win."""
        Membership.objects.filter(pk=self.pk, last_read__lt=message_id).update(last_read=message_id)


class MessageQuerySet(models.QuerySet["Message"]):
    def complete(self) -> "MessageQuerySet":
        return self.select_related("author", "room")

    def latest_page(self, before: int | None = None) -> tuple[list["Message"], bool]:
        """The last messages (before an id), oldest first, and whether there are older ones."""
        messages = self.complete().order_by("-id")
        if before is not None:
            messages = messages.filter(id__lt=before)
        page = list(messages[: PAGE_SIZE + 1])
        return page[:PAGE_SIZE][::-1], len(page) > PAGE_SIZE

    def page_after(self, after: int) -> tuple[list["Message"], bool]:
        """The first messages after an id, oldest first, and whether there are newer ones."""
        page = list(self.complete().filter(id__gt=after).order_by("id")[: PAGE_SIZE + 1])
        return page[:PAGE_SIZE], len(page) > PAGE_SIZE


class Message(models.Model):
    """A message in a room.

    The client makes up `client_id` before it sends, so that a message that is sent again, because
    its answer was lost, is recognised and stored once.
    """

    room = models.ForeignKey(Room, models.CASCADE, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="messages")
    text = models.TextField(blank=True, max_length=4000)
    image = models.FileField(upload_to=picture_path, blank=True)
    client_id = models.CharField(max_length=36, default=new_client_id, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["room", "id"], name="messages_of_room")]
        constraints = [
            models.UniqueConstraint(
                fields=["author", "client_id"], name="one_message_per_client_id"
            )
        ]

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:50]}" if self.text else f"{self.author}: a picture"

    @property
    def image_url(self) -> str | None:
        return reverse("picture", args=[self.pk]) if self.image else None

    def as_dict(self) -> dict[str, Any]:
        """What clients get. `author` and `room` should be loaded, as `complete()` does."""
        return {
            "id": self.pk,
            "room": self.room.slug,
            "author": person(self.author),
            "text": self.text,
            "image": self.image_url,
            "client_id": self.client_id,
            "created": self.created.isoformat(),
        }


def person(user: Any) -> dict[str, Any]:
    return {"id": user.pk, "name": user.get_username()}


class Announcement(models.Model):
    class Level(models.TextChoices):
        INFO = "info", "Information"
        SUCCESS = "success", "Good news"
        WARNING = "warning", "Warning"

    text = models.CharField(max_length=300)
    level = models.CharField(max_length=10, choices=Level.choices, default=Level.INFO)
    created = models.DateTimeField(default=timezone.now, editable=False)
    active = models.BooleanField(default=True, help_text="Shown on every open page while active.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.pk, "text": self.text, "level": self.level, "active": self.active}
