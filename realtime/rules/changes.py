"""What Django's signals say of changes that rules and permissions depend on.

Users, their groups and permissions, and the models of rooms that are declared with recheck_on_save.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import ManyToManyField, ManyToManyRel, Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

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
    listen(_early)
    _early.clear()
    user: Any = get_user_model()
    for model in _with_subclasses(user):
        post_save.connect(_user_saved, sender=model, dispatch_uid=UID)
    relations = {field.name: field for field in user._meta.many_to_many}
    for name in ("groups", "user_permissions"):
        if name in relations:
            _Relation(relations[name], "rights", _of_users).listen()
    if "groups" not in relations:
        return
    group = relations["groups"].related_model
    pre_delete.connect(_group_deleted, sender=group, dispatch_uid=UID)
    for field in group._meta.many_to_many:
        _Relation(field, "rights", _of_groups).listen()
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

#: Rules that were declared before all models were there.
_early: list[RoomRule] = []


def listen(rules: Iterable[RoomRule]) -> None:
    """Begin to listen to the models of these rules that want it."""
    if not apps.models_ready:
        _early.extend(rules)
        return
    for rule in rules:
        if not rule.options.recheck_on_save or rule.model is None:
            continue
        model = rule.model._meta.concrete_model or rule.model
        changed = functools.partial(_row_changed, model)
        uid = f"{UID}.{model._meta.label_lower}"
        for sender in (*_with_subclasses(model), *model._meta.get_parent_list()):
            post_save.connect(changed, sender=sender, weak=False, dispatch_uid=uid)
            post_delete.connect(changed, sender=sender, weak=False, dispatch_uid=uid)
        for relation in _relations_of(model):
            relation.listen()


def _relations_of(model: type[Model]) -> "Iterator[_Relation]":
    """The many-to-many relations of a model, whichever side declares them."""
    label = model._meta.label_lower
    concerns = functools.partial(_of_rows, model)
    for field in model._meta.many_to_many:
        if isinstance(field, ManyToManyField):  # and not what only looks like one
            yield _Relation(field, label, concerns)
    for related in model._meta.get_fields(include_hidden=True):
        if isinstance(related, ManyToManyRel) and isinstance(related.field, ManyToManyField):
            yield _Relation(related.field, label, concerns, from_target=True)


def _with_subclasses(model: type[Model]) -> Iterator[type[Model]]:
    if not model._meta.abstract:
        yield model
    for subclass in model.__subclasses__():
        yield from _with_subclasses(subclass)


def _row_changed(
    model: type[Model], *, instance: Model, using: str, created: bool = False, **kwargs: Any
) -> None:
    if not created:
        # A row of a parent has the primary key of the child's.
        key = getattr(instance, model._meta.pk.attname, instance.pk)
        after_commit(_of_rows(model, [key]), using)


def _of_rows(model: type[Model], keys: Iterable[Any]) -> list[Concern]:
    return [("instance", rooms.of_row(model, key)) for key in keys]


# Many-to-many relations


class _Relation:
    """A many-to-many relation, as the rows on one of its sides see it."""

    def __init__(self, field: Any, who: str, concerns: Concerns, from_target: bool = False) -> None:
        self._field = field
        self._concerns = concerns
        #: Whether the rows are those that the field points to, and not those that have it.
        self._from_target = from_target
        ends = (field.m2m_field_name(), field.m2m_reverse_field_name())
        #: The foreign keys of a row of the relation: to those whom it concerns, and to the others.
        self._mine, self._theirs = reversed(ends) if from_target else ends
        self._through = field.remote_field.through
        sides = (field.model, field.remote_field.model)
        self._model, self._other = reversed(sides) if from_target else sides
        side = "target" if from_target else "source"
        # What rights depend on may be what a rule depends on as well.
        self._uid = f"{UID}.{who}.{field.model._meta.label_lower}.{field.name}.{side}"

    def listen(self) -> None:
        through = self._through
        options: dict[str, Any] = {"weak": False, "dispatch_uid": self._uid}
        m2m_changed.connect(self._changed, sender=through, **options)
        # Its rows go without a signal where those of the other side are deleted.
        for other in _with_subclasses(self._other):
            pre_delete.connect(self._other_deleted, sender=other, **options)
        if not through._meta.auto_created:
            pre_save.connect(self._row_changes, sender=through, **options)
            post_save.connect(self._row_changed, sender=through, **options)
            post_delete.connect(self._row_changed, sender=through, **options)

    def _changed(
        self,
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
        is_mutual = getattr(self._field.remote_field, "symmetrical", False)
        keys: Keys = []
        # Another relation may have its rows in the same model.
        is_mine = reverse == self._from_target and isinstance(instance, self._model)
        if is_mine and action in ("post_add", "post_remove", "post_clear"):
            keys = [getattr(instance, self._model._meta.pk.attname)]
        if reverse != self._from_target or is_mutual:
            if action in ("post_add", "post_remove"):
                keys += pk_set or ()
            elif action == "pre_clear":  # afterwards nobody knows
                keys += self._related_to(instance, using)
        self._tell(keys, using)

    def _related_to(self, other: Model, using: str) -> Keys:
        rows = self._through._base_manager.using(using).filter(**{self._theirs: other.pk})
        return list(rows.values_list(self._mine, flat=True)[: MAX_CONCERNS + 1])

    def _other_deleted(self, *, instance: Model, using: str, **kwargs: Any) -> None:
        self._tell(self._related_to(instance, using), using)

    def _row_changes(self, *, sender: Any, instance: Model, using: str, **kwargs: Any) -> None:
        """A row of a relation that has a model of its own is about to be another's, perhaps."""
        if not instance._state.adding:
            rows = sender._base_manager.using(using).filter(pk=instance.pk)
            self._tell(list(rows.values_list(self._mine, flat=True)), using)

    def _row_changed(self, *, instance: Model, using: str, **kwargs: Any) -> None:
        row: Any = type(instance)._meta.get_field(self._mine)
        self._tell([getattr(instance, row.attname)], using)

    def _tell(self, keys: Keys, using: str) -> None:
        known = [key for key in keys if key is not None]
        if known:
            after_commit(self._concerns(known), using)
