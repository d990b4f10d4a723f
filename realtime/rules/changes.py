"""What Django's signals say of changes that rules and permissions depend on.

Users, their groups and permissions, and the models of rooms that are declared with recheck_on_save.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete

from ..node import rooms
from ..revocation import users
from .news import EVERYONE, MAX_CONCERNS, Concern, after_commit
from .rule import RoomRule

UID = "realtime.rules"
#: What a login saves of a user changes no rights.
IRRELEVANT = {"last_login"}

Keys = list[Any]
#: What primary keys of a model's rows concern.
Concerns = Callable[[Iterable[Any]], list[Concern]]


# Users


def connect() -> None:
    """Begin to listen to what users may; to be called when all models are there."""
    user: Any = get_user_model()
    for model in _with_subclasses(user):
        post_save.connect(_user_saved, sender=model, dispatch_uid=UID)
    relations = {field.name: field for field in user._meta.many_to_many}
    for name in ("groups", "user_permissions"):
        if name in relations:
            _listen_to_relation(relations[name], _of_users)
    if "groups" not in relations:
        return
    group = relations["groups"].related_model
    pre_delete.connect(_group_deleted, sender=group, dispatch_uid=UID)
    for field in group._meta.many_to_many:
        _listen_to_relation(field, _of_groups)
    if apps.is_installed("django.contrib.auth"):
        pre_delete.connect(
            _permission_deleted, sender=apps.get_model("auth", "Permission"), dispatch_uid=UID
        )


def _user_saved(
    *, instance: Any, created: bool, using: str, update_fields: Any, raw: bool, **kwargs: Any
) -> None:
    if created or raw or (update_fields is not None and set(update_fields) <= IRRELEVANT):
        return
    after_commit(_of_users([users.key_of(instance)]), using)


def _of_users(keys: Iterable[Any]) -> list[Concern]:
    return [("user", users.room_of(key)) for key in keys]


def _of_groups(keys: Iterable[Any]) -> list[Concern]:
    members = get_user_model()._base_manager.filter(groups__in=list(keys))
    found = list(members.values_list("pk", flat=True).distinct()[: MAX_CONCERNS + 1])
    return [EVERYONE] if len(found) > MAX_CONCERNS else _of_users(found)


def _group_deleted(*, instance: Model, using: str, **kwargs: Any) -> None:
    after_commit(_of_groups([instance.pk]), using)


def _permission_deleted(*, using: str, **kwargs: Any) -> None:
    after_commit([EVERYONE], using)


# Models of rooms


def listen(rules: Iterable[RoomRule]) -> None:
    """Begin to listen to the models of these rules that want it."""
    for rule in rules:
        if not rule.options.recheck_on_save or rule.model is None:
            continue
        model = rule.model._meta.concrete_model or rule.model
        changed = functools.partial(_row_changed, model)
        uid = f"{UID}.{model._meta.label_lower}"
        for sender in _with_subclasses(model):
            post_save.connect(changed, sender=sender, weak=False, dispatch_uid=uid)
            post_delete.connect(changed, sender=sender, weak=False, dispatch_uid=uid)
        if apps.models_ready:
            for field in model._meta.many_to_many:
                _listen_to_relation(field, functools.partial(_of_rows, model))


def _with_subclasses(model: type[Model]) -> Iterator[type[Model]]:
    if not model._meta.abstract:
        yield model
    for subclass in model.__subclasses__():
        yield from _with_subclasses(subclass)


def _row_changed(
    model: type[Model], *, instance: Model, using: str, created: bool = False, **kwargs: Any
) -> None:
    if not created:
        key = getattr(instance, model._meta.pk.attname)
        after_commit(_of_rows(model, [key]), using)


def _of_rows(model: type[Model], keys: Iterable[Any]) -> list[Concern]:
    return [("instance", rooms.of_row(model, key)) for key in keys]


# Many-to-many relations


def _listen_to_relation(field: Any, concerns: Concerns) -> None:
    through = field.remote_field.through
    uid = f"{UID}.{field.model._meta.label_lower}.{field.name}"
    changed = functools.partial(_relation_changed, field, concerns)
    m2m_changed.connect(changed, sender=through, weak=False, dispatch_uid=uid)
    if not through._meta.auto_created:
        row = functools.partial(_relation_saved, field, concerns)
        post_save.connect(row, sender=through, weak=False, dispatch_uid=uid)
        post_delete.connect(row, sender=through, weak=False, dispatch_uid=uid)


def _relation_changed(
    field: Any,
    concerns: Concerns,
    *,
    sender: Any,
    instance: Model,
    action: str,
    reverse: bool,
    pk_set: set[Any] | None,
    using: str | None = None,
    **kwargs: Any,
) -> None:
    using = using or router.db_for_write(sender, instance=instance)
    keys: Keys = []
    if action == "pre_clear" and reverse:  # afterwards nobody knows
        mine, theirs = field.m2m_reverse_field_name(), field.m2m_field_name()
        rows = sender._base_manager.using(using).filter(**{mine: instance.pk})
        keys = list(rows.values_list(theirs, flat=True)[: MAX_CONCERNS + 1])
    elif action in ("post_add", "post_remove") and reverse:
        keys = list(pk_set or ())
    elif action in ("post_add", "post_remove", "post_clear") and not reverse:
        keys = [getattr(instance, field.model._meta.pk.attname)]
        if getattr(field.remote_field, "symmetrical", False):
            keys += pk_set or ()
    if keys:
        after_commit(concerns(keys), using)


def _relation_saved(
    field: Any, concerns: Concerns, *, instance: Model, using: str, **kwargs: Any
) -> None:
    """A row of a relation that has a model of its own."""
    row: Any = type(instance)._meta.get_field(field.m2m_field_name())
    after_commit(concerns([getattr(instance, row.attname)]), using)
