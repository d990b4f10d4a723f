"""Users by other models than the user model: children with a row of their own.

They have no tables here; tests/site has one that does.
"""

from typing import Any

from django.contrib.auth.models import Group, User
from django.db import models
from django.test.utils import isolate_apps

with isolate_apps("django.contrib.auth"):

    class Customer(User):
        class Meta:
            app_label = "auth"

    class VIP(Customer):
        class Meta:
            app_label = "auth"

    class Staff(Group):
        """A child of a model that is not the user model."""

        class Meta:
            app_label = "auth"

    class Agent(User):
        """Its primary key is not the user's."""

        number = models.AutoField(primary_key=True)
        account = models.OneToOneField(User, models.CASCADE, parent_link=True)

        class Meta:
            app_label = "auth"


def as_child(user: User, *, own_key: bool = False) -> Any:
    """A user as an instance of a child model, as if it came from the database."""
    model = Agent if own_key else VIP
    values = {f.attname: getattr(user, f.attname) for f in User._meta.concrete_fields}
    links = {"account_id": user.pk, "number": user.pk + 1_000}
    if not own_key:
        links = {"user_ptr_id": user.pk, "customer_ptr_id": user.pk}
    child = model(**values, **links)
    child._state.adding, child._state.db = False, "default"
    return child
