"""Whether logins still hold, by what the database and the store of sessions say now."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model, load_backend
from django.db import router
from django.db.models import Subquery

from . import credentials, sessions
from .login import Login, digest
from .sessions import Data
from .users import hashes, is_verified, user_id_in

#: What a user's row is annotated with, in the query that reads both.
_SESSION = "realtime_session_data"


def still_hold(logins: Collection[Login]) -> set[Login]:
    """Those of the logins that the database, and the store of sessions, still say are good.

    One query for the sessions and one for the users, however many there are; only a backend with a
    `get_user` of its own is asked for each user.
    """
    if len(logins) == 1:
        (login,) = logins
        if _can_join(login):
            return {login} if _holds_in_one_query(login) else set()
    return credentials.still_valid(_still_known(logins))


def _still_known(logins: Collection[Login]) -> set[Login]:
    """Those whose users, and sessions where there is one, are still good."""
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
        return login.password is None or login.password in map(digest, hashes(user))
    found = data.get(login.session_key)
    return found is not None and _is_of(login, found) and is_verified(user, found)


def _is_of(login: Login, data: Data) -> bool:
    return (
        str(user_id_in(data)) == str(login.user_id)
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
    return _is_of(login, data) and is_verified(user, data)
