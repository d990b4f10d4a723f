"""Who a session says that its client is, as django.contrib.auth.get_user has it, but read only.

Django's get_user gives a session a new key, or ends it, where its hash is not the user's. That is
for a page, which can send the new key to the browser; a look-up for a socket can't.
"""

import itertools
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.crypto import constant_time_compare

from ..installed import until_apps_change
from ..node import rooms
from .login import Login, digest
from .sessions import Data


class Nobody:
    """Stands for AnonymousUser in a project without django.contrib.auth."""

    pk = id = None
    username = ""
    is_active = is_staff = is_superuser = is_authenticated = False
    is_anonymous = True

    def __str__(self) -> str:
        return "AnonymousUser"

    def get_username(self) -> str:
        return self.username

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return False

    def has_perms(self, perms: Iterable[str], obj: Any = None) -> bool:
        return False

    def has_module_perms(self, module: str) -> bool:
        return False


def nobody() -> Any:
    """The user of a client that is not logged in."""
    return _kind_of_nobody()()


@until_apps_change
def _kind_of_nobody() -> type[Any]:
    if not apps.is_installed("django.contrib.auth"):
        return Nobody
    # Models can be imported only after Django's set-up.
    from django.contrib.auth.models import AnonymousUser

    return AnonymousUser


def is_known(user: Any) -> bool:
    """Whether this is somebody: a saved user."""
    return isinstance(user, Model) and bool(user.is_authenticated)  # type: ignore[attr-defined]


def is_same(one: Any, other: Any) -> bool:
    """Whether both are the same somebody, whatever proxy or child model they are read by."""
    if not (is_known(one) and is_known(other)):
        return False
    if one.pk is None or other.pk is None:
        return bool(one == other)
    return rooms.of_instance(one) == rooms.of_instance(other)


def is_user(user: Any) -> bool:
    """Whether this is a row of AUTH_USER_MODEL, which can be looked up again."""
    return (
        is_known(user)
        and apps.is_installed("django.contrib.auth")
        and isinstance(user, get_user_model())
        and not user._state.adding
    )


def user_of(data: Data) -> Any:
    """The user of a session with this data, or None. Queries the database."""
    if not apps.is_installed("django.contrib.auth"):
        return None
    user_id, backend = user_id_in(data), data.get(BACKEND_SESSION_KEY)
    if user_id is None or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    user: Any = load_backend(str(backend)).get_user(user_id)
    return user if user is not None and is_verified(user, data) else None


def user_id_in(data: Data) -> Any:
    """The primary key of the user whom a session names."""
    try:
        return get_user_model()._meta.pk.to_python(data[SESSION_KEY])
    except (KeyError, ValidationError):
        return None


def hashes(user: Any) -> list[str]:
    """With which hashes a session of this user holds: that of the password, by any secret key."""
    fallbacks = getattr(user, "get_session_auth_fallback_hash", tuple)
    return list(itertools.chain([user.get_session_auth_hash()], fallbacks()))


def password_of(user: Any) -> str | None:
    """The digest of the hash of the user's password by which a session of now would be known."""
    if not hasattr(user, "get_session_auth_hash"):
        return None
    return digest(user.get_session_auth_hash())


def is_verified(user: Any, data: Data) -> bool:
    """Whether a session was begun with the password that the user has now."""
    if not hasattr(user, "get_session_auth_hash"):
        return True
    session_hash: str = data.get(HASH_SESSION_KEY) or ""
    # Not even an empty hash of the user's can be equal to none.
    return session_hash != "" and any(
        constant_time_compare(session_hash, found) for found in hashes(user)
    )


def login_of(user: Any, session: Any) -> Login | None:
    """As whom a client is logged in that has this user and this session; None for nobody."""
    if not is_known(user):
        return None
    if not is_user(user):  # of another model, or made up by a middleware that reads no database
        return Login(room=rooms.of_instance(user), user_id=None)
    user_id = key_of(user)
    room = room_of(user_id)
    if not is_of_session(user, session):
        return Login(room=room, user_id=user_id)
    session_hash = session.get(HASH_SESSION_KEY)
    return Login(
        room=room,
        user_id=user_id,
        session_key=session.session_key,
        backend=session.get(BACKEND_SESSION_KEY),
        session=digest(session.session_key),
        password=digest(session_hash) if session_hash else None,
    )


def is_of_session(user: Any, session: Any) -> bool:
    """Whether it is the session that says that the client is this user, who is known."""
    # One that nobody has looked into is not what made the user known.
    if not getattr(session, "accessed", False) or not session.session_key or not is_user(user):
        return False
    return str(user_id_in(session)) == str(key_of(user))


def key_of(user: Model) -> Any:
    """The primary key of a user as AUTH_USER_MODEL has it, whatever proxy or child model it is."""
    return getattr(user, get_user_model()._meta.pk.attname)


def room_of(user_id: Any) -> str:
    """The room of the user with this primary key."""
    return rooms.of_row(get_user_model(), user_id)
