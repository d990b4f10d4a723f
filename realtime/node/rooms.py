"""Names of rooms and of sockets. Pure.

A room name is any Unicode text of the application's choice. Names that begin with "~" are ours: a
socket's id, and the room of a model instance. `join` takes only the former kind from a caller's
text, so that no client can talk an application into joining it to somebody else's private room.
"""

import re
import secrets
from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.utils.functional import Promise

from ..exceptions import RoomError
from ..installed import until_apps_change
from ..logs import brief

RESERVED = "~"
MAX_LENGTH = 200
_NODE_LENGTH = 10
#: Stands in the place of the node in the sid of a socket that may come back to another node.
ROAMING = "everywhere"
_sid = re.compile(rf"~[A-Za-z0-9_-]{{{_NODE_LENGTH}}}\.[A-Za-z0-9_-]{{20}}")


def new_node_id() -> str:
    """An id for a process, as it stands in the ids of its sockets."""
    return secrets.token_urlsafe(_NODE_LENGTH)[:_NODE_LENGTH]


def new_sid(node_id: str) -> str:
    """A public id for a socket of the node; it can't be guessed."""
    return f"{RESERVED}{node_id}.{secrets.token_urlsafe(15)}"


def is_sid(room: str) -> bool:
    """Whether a name is a socket's id, and not that of a room."""
    return _sid.fullmatch(room) is not None


def node_of(room: str) -> str | None:
    """The node whose socket has this sid; None if any may have it, or the name is no sid."""
    node = room[1 : 1 + _NODE_LENGTH] if is_sid(room) else None
    return None if node == ROAMING else node


def nodes_of(to: tuple[str, ...] | None) -> set[str] | None:
    """The only nodes that can have recipients; None for all."""
    if to is None:
        return None
    nodes = {node_of(room) for room in to}
    return None if None in nodes else {node for node in nodes if node is not None}


def of_instance(instance: Model) -> str:
    """The room of a saved model instance, for instance "~auth.user:7"."""
    # A user in a scope is a lazy object; __class__ looks through it, type() doesn't.
    model = instance.__class__
    owner = _owner(model)
    pk = getattr(instance, owner._meta.pk.attname)
    if pk is None:
        raise RoomError(
            f"this {model.__name__} has no primary key yet: save it before you use its room"
        )
    return of_row(owner, pk)


def of_row(model: type[Model], pk: Any) -> str:
    """The room of the instance of a model that has this primary key."""
    return f"{RESERVED}{_owner(model)._meta.label_lower}:{pk}"


@until_apps_change
def _owner(model: type[Model]) -> type[Model]:
    """The model after which the rooms of a model's instances are named."""
    # A proxy or a deferred model shares the table, and so the room, of its concrete model.
    concrete = model._meta.concrete_model or model
    try:
        user: Any = get_user_model()._meta.concrete_model
    except ImproperlyConfigured:  # a site without users
        return concrete
    # A child of the user model is a user with more columns: sockets are in the user's room.
    return user if issubclass(concrete, user) else concrete


def of_user(user: dict[str, str] | None) -> str | None:
    """The room of a socket's user, from what the socket knows: {"model", "pk", "name"}."""
    return None if user is None else f"{RESERVED}{user['model']}:{user['pk']}"


def for_clients(room: str) -> str:
    """The name under which clients may know a room: that of an instance is "auth.user:7"."""
    return room.removeprefix(RESERVED)


def to_join(room: Any) -> str:
    """The name of a room that a socket may join: free text, or a model instance."""
    if isinstance(room, Model):
        return of_instance(room)
    name = _checked(room)
    if name.startswith(RESERVED):
        raise RoomError(
            f"room names that begin with {RESERVED!r} are reserved; for the room of a model"
            " instance, pass the instance itself"
        )
    return name


def targets(to: Any) -> tuple[str, ...] | None:
    """The rooms in `to`: text, a sid, a model instance, a list of them; None for everyone."""
    if to is None:
        return None
    # Lazy objects, such as request.user, have __iter__ whatever is behind them.
    if isinstance(to, str | Model | Promise) or _is_anonymous(to):
        return (_target(to),)
    if isinstance(to, Iterable) and not isinstance(to, bytes | bytearray | dict):
        return tuple(dict.fromkeys(_target(item) for item in to))
    return (_target(to),)


def skipped(skip: Any) -> tuple[str, ...]:
    """The names in `skip`: what `to` takes, and consumers, which stand for their own sockets."""
    if isinstance(skip, str):
        return (skip,)
    if isinstance(skip, list | tuple | set | frozenset):
        return tuple(name for item in skip for name in skipped(item))
    if not isinstance(skip, Model) and isinstance(sid := getattr(skip, "sid", None), str):
        return (sid,)
    return targets(skip) or ()


def _target(item: Any) -> str:
    return of_instance(item) if isinstance(item, Model) else _checked(item)


def _is_anonymous(user: Any) -> bool:
    return getattr(user, "is_anonymous", False) is True


def _checked(name: Any) -> str:
    if isinstance(name, Promise):  # a name that is translated when it is used
        name = str(name)
    if not isinstance(name, str):
        if _is_anonymous(name):
            raise RoomError(
                f"{name.__class__.__name__} has no room: only a user who is logged in has one. Look"
                " at user.is_authenticated first"
            )
        if isinstance(name, type) and issubclass(name, Model):
            raise RoomError(
                f"{name.__name__} is a model: pass a saved instance of it, or the name of a room"
            )
        raise RoomError(
            "a room must be a string or a saved model instance, not"
            f" {type(name).__name__}: {brief(repr(name), 100)}"
        )
    if not 0 < len(name) <= MAX_LENGTH:
        raise RoomError(f"a room name must have 1 to {MAX_LENGTH} characters, not {len(name)}")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise RoomError(f"a room name must be valid Unicode: {name!r}") from None
    return name


def is_namespace(name: str) -> bool:
    """Whether a client may ask for a namespace of this name; nothing longer or odder is served."""
    return len(name) <= MAX_LENGTH and name.isprintable()
