"""What the user of a socket may do in the admin at this moment, looked up each time."""

from collections.abc import Collection
from typing import Any

from channels.db import database_sync_to_async
from django.contrib.auth import SESSION_KEY
from django.db.models import Model

from ...revocation import sessions, users

#: The namespace of the live pages; consumer.py serves it.
NAMESPACE = "/realtime/admin"


async def granted(scope: dict[str, Any], permissions: Collection[str]) -> frozenset[str]:
    """Those of the permissions ("app.codename") that the scope's user has, if active staff.

    The user and the session are read again: a user who logged out, was deactivated, changed the
    password or lost a permission since the socket was opened is not granted it.
    """
    user = await _user_now(scope)
    if user is None or not (user.is_active and user.is_staff):
        return frozenset()
    found: frozenset[str] = await database_sync_to_async(_of_user)(user, tuple(permissions))
    return found


def _of_user(user: Any, permissions: tuple[str, ...]) -> frozenset[str]:
    return frozenset(permission for permission in permissions if user.has_perm(permission))


async def _user_now(scope: dict[str, Any]) -> Any:
    user = scope.get("user")
    if not (isinstance(user, Model) and user.pk is not None):
        return None
    key = await database_sync_to_async(_session_of_login)(scope)
    if key is None:  # identified by something other than a session, such as a token
        return await user.__class__._default_manager.filter(pk=user.pk).afirst()
    again = await database_sync_to_async(_user_of)(key)
    return again if again == user else None


def _user_of(key: str) -> Any:
    """The session's user by Django's rules; nothing here writes to the session."""
    return users.user_of(sessions.read(key) or {})


def _session_of_login(scope: dict[str, Any]) -> str | None:
    session = scope.get("session")
    if session is None or SESSION_KEY not in session:
        return None
    key: str = session.session_key
    return key
