"""Who a session says that its client is, as django.contrib.auth.get_user has it, but read only.

Django's get_user gives a session a new key, or ends it, where its hash is not the user's. That is
for a page, which can send the new key to the browser; a look-up for a socket can't.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping
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
from django.db import router
from django.db.models import Model, Subquery
from django.utils.crypto import constant_time_compare

from ..node import rooms
from . import sessions
from .login import Login, digest
from .sessions import Data

#: What a user's row is annotated with, in the query that reads both.
_SESSION = "realtime_session_data"


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
    if not apps.is_installed("django.contrib.auth"):
        return Nobody()
    # Models can be imported only after Django's set-up.
    from django.contrib.auth.models import AnonymousUser

    return AnonymousUser()


def is_known(user: Any) -> bool:
    """Whether this is somebody: a saved user."""
    return isinstance(user, Model) and bool(user.is_authenticated)  # type: ignore[attr-defined]


def user_of(data: Data) -> Any:
    """The user of a session with this data, or None. Queries the database."""
    if not apps.is_installed("django.contrib.auth"):
        return None
    user_id, backend = _user_id(data), data.get(BACKEND_SESSION_KEY)
    if user_id is None or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    user: Any = load_backend(str(backend)).get_user(user_id)
    return user if user is not None and _is_verified(user, data) else None


def _user_id(data: Data) -> Any:
    try:
        return get_user_model()._meta.pk.to_python(data[SESSION_KEY])
    except (KeyError, ValidationError):
        return None


def hashes(user: Any) -> list[str]:
    """With which hashes a session of this user holds: that of the password, by any secret key."""
    fallbacks = getattr(user, "get_session_auth_fallback_hash", tuple)
    return list(itertools.chain([user.get_session_auth_hash()], fallbacks()))


def _is_verified(user: Any, data: Data) -> bool:
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
    if not apps.is_installed("django.contrib.auth") or not isinstance(user, get_user_model()):
        return Login(room=rooms.of_instance(user), user_id=None)
    user_id = key_of(user)
    room = room_of(user_id)
    if user._state.adding:  # made up by a middleware that reads no database
        return Login(room=room, user_id=None)
    # A session that nobody has looked into is not what made this user known.
    if session is None or not session.accessed or not session.session_key:
        return Login(room=room, user_id=user_id)
    if str(_user_id(session)) != str(user_id):
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


def key_of(user: Model) -> Any:
    """The primary key of a user as AUTH_USER_MODEL has it, whatever proxy or child model it is."""
    return getattr(user, get_user_model()._meta.pk.attname)


def room_of(user_id: Any) -> str:
    """The room of the user with this primary key."""
    concrete = get_user_model()._meta.concrete_model or get_user_model()
    return f"{rooms.RESERVED}{concrete._meta.label_lower}:{user_id}"


# Whether logins still hold


def still_hold(logins: Collection[Login]) -> set[Login]:
    """Those of the logins that the database, and the store of sessions, still say are good.

    One query for the sessions and one for the users, however many there are; only a backend with a
    `get_user` of its own is asked for each user.
    """
    if len(logins) == 1:
        (login,) = logins
        if _can_join(login):
            return {login} if _holds_in_one_query(login) else set()
    keys = {login.session_key for login in logins if login.session_key is not None}
    data = sessions.read_many(keys) if keys else {}
    users = _users(logins)
    return {login for login in logins if _holds(login, data, users)}


def _holds(
    login: Login, data: Mapping[str, Data], users: Mapping[tuple[str | None, Any], Any]
) -> bool:
    if login.user_id is None:
        return True  # nobody knows better than who let it in
    user = users.get((login.backend, login.user_id))
    if user is None:
        return False
    if login.session_key is None:
        return True
    found = data.get(login.session_key)
    return found is not None and _is_of(login, found) and _is_verified(user, found)


def _is_of(login: Login, data: Data) -> bool:
    return (
        str(_user_id(data)) == str(login.user_id)
        and data.get(BACKEND_SESSION_KEY) == login.backend
        and login.backend in settings.AUTHENTICATION_BACKENDS
    )


def _users(logins: Iterable[Login]) -> Mapping[tuple[str | None, Any], Any]:
    """The users whom their backends still let in, by backend and primary key."""
    wanted = {(login.backend, login.user_id) for login in logins if login.user_id is not None}
    stock = {pair for pair in wanted if _is_stock(pair[0])}
    rows = get_user_model()._default_manager.in_bulk({user_id for _, user_id in stock})
    found = {pair: rows[pair[1]] for pair in stock if pair[1] in rows}
    found = {pair: user for pair, user in found.items() if _is_let_in(user, pair[0])}
    for backend, user_id in wanted - stock:
        if backend in settings.AUTHENTICATION_BACKENDS:
            user: Any = load_backend(str(backend)).get_user(user_id)
            if user is not None:
                found[backend, user_id] = user
    return found


def _is_stock(backend: str | None) -> bool:
    """Whether a backend finds users as Django's ModelBackend does; None stands for no backend."""
    from django.contrib.auth.backends import ModelBackend  # imports models

    if backend is None:
        return True
    if backend not in settings.AUTHENTICATION_BACKENDS:
        return False
    return type(load_backend(backend)).get_user is ModelBackend.get_user


def _is_let_in(user: Any, backend: str | None) -> bool:
    if backend is None:
        return bool(getattr(user, "is_active", True))
    found: Any = load_backend(backend)
    return bool(found.user_can_authenticate(user))


def _can_join(login: Login) -> bool:
    """Whether one query can read the session and the user."""
    return (
        login.session_key is not None
        and sessions.is_in_database()
        and _is_stock(login.backend)
        and router.db_for_read(sessions.store_class().get_model_class())
        == router.db_for_read(get_user_model())
    )


def _holds_in_one_query(login: Login) -> bool:
    kind = sessions.store_class()
    row = sessions.valid_rows(kind).filter(pk=login.session_key).values("session_data")
    users = get_user_model()._default_manager.annotate(**{_SESSION: Subquery(row[:1])})
    user: Any = users.filter(pk=login.user_id).first()
    if user is None or not _is_let_in(user, login.backend):
        return False
    text = getattr(user, _SESSION)
    if text is None:
        return False
    data = kind().decode(text)
    return _is_of(login, data) and _is_verified(user, data)
