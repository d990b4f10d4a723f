"""What a rule says of one client.

`may_be_in` is for whoever wants to know of one client and one room, before or after it joined.
"""

import inspect
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import DataError
from django.db.models import Model
from django.http import Http404

from ..node import rooms
from ..revocation.users import is_known, nobody
from .rule import RoomRule, match

#: What a value that no row can have may raise in a look-up, depending on the field and database.
_IMPOSSIBLE = (ObjectDoesNotExist, ValueError, OverflowError, ValidationError, DataError)
_DJANGOS_NO = (Http404, PermissionDenied)
#: Shared: there is an admission for each socket of a consumer with permissions.
_NOTHING: dict[str, Any] = {}


@dataclass(slots=True, eq=False, kw_only=True)
class Admission:
    """That an application let a client into a room by a rule, or into its namespace."""

    consumer: Any
    #: As time.monotonic() counts: what has changed since was not asked about.
    asked: float
    #: None for the namespace, of which the consumer's permissions decide.
    rule: RoomRule | None = None
    kwargs: dict[str, Any] = field(default_factory=lambda: _NOTHING)
    #: The room of the instance that the rule was given, if any.
    instance: str | None = None
    #: The same as an instance of the rule's model, where the rule was given one of a child of it.
    row: str | None = None
    #: Rooms that the client is in because of this one: that of the instance, or none.
    brought: tuple[str, ...] = ()

    @property
    def instances(self) -> list[str]:
        """By what names news of the instance may come."""
        return [name for name in dict.fromkeys((self.instance, self.row)) if name is not None]

    def release(self, room: str) -> list[str]:
        """The client leaves the room: the rooms that it leaves with it.

        Two names of one instance may have brought its room, "a" and "A" for some databases.
        """
        admitted = self.consumer.admitted
        if admitted.get(room) is self:
            del admitted[room]
        others = {name for other in admitted.values() for name in other.brought}
        return [name for name in self.brought if name not in others]


async def may_be_in(consumer: Any, room: str) -> bool:
    """Whether the rule that is declared for a room's name lets this client be in it, now.

    A room that no rule of the consumer is for is nobody's to refuse. Raises what the rule raises.
    """
    found = match(consumer.room_rules, room)
    return found is None or (await ask(consumer, *found))[0]


async def ask(consumer: Any, rule: RoomRule, kwargs: dict[str, Any]) -> tuple[bool, Model | None]:
    """What a rule says of a client now, and of which instance. The user is read anew for it."""
    if not rule.is_async:
        answer: tuple[bool, Model | None] = await sync_to_async(_ask_plain)(consumer, rule, kwargs)
        return answer
    instance = await sync_to_async(_prepare)(consumer, rule, kwargs)
    if rule.options.model is not None and instance is None:
        return False, None
    return await ask_async(consumer, rule, kwargs, instance), instance


def _prepare(consumer: Any, rule: RoomRule, kwargs: dict[str, Any]) -> Model | None:
    refresh_users([consumer])
    return find(consumer, rule, kwargs)


def _ask_plain(consumer: Any, rule: RoomRule, kwargs: dict[str, Any]) -> tuple[bool, Model | None]:
    instance = _prepare(consumer, rule, kwargs)
    if rule.options.model is not None and instance is None:
        return False, None
    return ask_in_thread(consumer, rule, kwargs, instance), instance


def find(consumer: Any, rule: RoomRule, kwargs: dict[str, Any]) -> Model | None:
    """The instance that a room is about; None where there is none. Queries the database."""
    if rule.options.model is None:
        return None
    try:
        instances = rule.instances_for(consumer)
    except _DJANGOS_NO:
        return None
    try:
        found: Model = instances.get(**kwargs)
    except _IMPOSSIBLE:
        return None
    return found


def ask_in_thread(
    consumer: Any, rule: RoomRule, kwargs: dict[str, Any], instance: Model | None
) -> bool:
    """Ask a plain rule, in the thread."""
    args, named = _arguments(rule, kwargs, instance)
    try:
        # In here: the truth of a queryset is a query.
        return _is_yes(rule, rule.function(consumer, *args, **named))
    except _DJANGOS_NO:
        return False


async def ask_async(
    consumer: Any, rule: RoomRule, kwargs: dict[str, Any], instance: Model | None
) -> bool:
    args, named = _arguments(rule, kwargs, instance)
    try:
        return _is_yes(rule, await rule.function(consumer, *args, **named))
    except _DJANGOS_NO:
        return False


def _arguments(
    rule: RoomRule, kwargs: dict[str, Any], instance: Model | None
) -> tuple[list[Any], dict[str, Any]]:
    return ([], kwargs) if rule.options.model is None else ([instance], {})


def _is_yes(rule: RoomRule, answer: Any) -> bool:
    if inspect.isawaitable(answer):  # which is as true as anything
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(f"{rule.name} returned something that it did not await: {answer!r}")
    return bool(answer)


# Users


def refresh_users(consumers: Iterable[Any]) -> None:
    """Read the consumers' users anew; what they may is remembered by the instances that we have."""
    wanted: dict[type[Model], dict[Any, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for consumer in consumers:
        user = consumer.user
        if is_known(user) and not user._state.adding:
            # A user in a scope may be a lazy object; __class__ looks through it.
            wanted[user.__class__][user.pk].append(consumer)
    for model, by_key in wanted.items():
        found = model._default_manager.in_bulk(list(by_key))
        for key, holders in by_key.items():
            for consumer in holders:
                if consumer.user.pk == key:  # it may have become somebody else meanwhile
                    _replace_user(consumer, found.get(key))


def _replace_user(consumer: Any, fresh: Any) -> None:
    if fresh is None:
        fresh = nobody()
    elif hasattr(consumer.user, "backend"):
        fresh.backend = consumer.user.backend
    consumer.scope["user"] = fresh


def room_of(instance: Model | None) -> str | None:
    return None if instance is None or instance.pk is None else rooms.of_instance(instance)


def row_of(instance: Model | None, model: type[Model] | None) -> str | None:
    """What room an instance would have that was read by this model, if it is one of a child."""
    if instance is None or model is None:
        return None
    key = getattr(instance, model._meta.pk.attname, None)
    return None if key is None else rooms.of_row(model, key)
