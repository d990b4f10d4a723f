"""Lists, and what is on them."""

from django.conf import settings
from django.db import models

from realtime import announce_changes
from realtime.middleware import acting_page


class List(models.Model):
    name = models.CharField(max_length=50)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL)

    def __str__(self):
        return self.name


@announce_changes(
    to=lambda item: item.list,
    namespace="/lists",
    fields=("id", "title", "bought"),
    skip=acting_page,
)
class Item(models.Model):
    list = models.ForeignKey(List, models.CASCADE)
    title = models.CharField(max_length=100)
    bought = models.BooleanField(default=False)

    def __str__(self):
        return self.title
