"""Models of the site's own: users by other names."""

from django.contrib.auth.models import User
from django.db import models


class Colleague(User):
    class Meta:
        proxy = True
        app_label = "tests_site"


class Clerk(User):
    """A user with a row of its own besides."""

    desk = models.CharField(max_length=100)

    class Meta:
        app_label = "tests_site"
