"""Who a session says that its client is."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.http import parse_cookie

from ..aio.calls import run
from ..revocation import sessions, users
from ..revocation.login import digest
from ..revocation.memory import memory
from .base import BaseAuthentication, Found


class SessionAuthentication(BaseAuthentication):
    """Authenticates by the Django session that the client's cookie refers to."""

    name = "session"

    async def authenticate(self, scope: dict[str, Any]) -> Found:
        if "session" not in scope and "user" not in scope:  # no AuthStack around the consumer
            key = _cookies(scope).get(settings.SESSION_COOKIE_NAME)
            if key:
                scope["session"], scope["user"] = await look_up(key)
        user = scope.get("user")
        return (user, None) if users.is_known(user) else None


def _cookies(scope: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] | None = scope.get("cookies")
    return cookies_of(scope) if found is None else found


def cookies_of(scope: dict[str, Any]) -> dict[str, str]:
    """The cookies in the headers of a scope."""
    texts = [value.decode("latin1") for name, value in scope["headers"] if name == b"cookie"]
    return parse_cookie("; ".join(texts))


async def look_up(key: str | None, hop: Callable[..., Awaitable[Any]] = run) -> tuple[Any, Any]:
    """The session with this key, and its user; in one hop to a thread, in none without a key."""
    if not sessions.are_usable():
        return {}, users.nobody()
    if not key or memory.has_ended(digest(key)):
        return sessions.store(None, None), users.nobody()
    found: tuple[Any, Any] = await hop(_read, key)
    return found


def _read(key: str) -> tuple[Any, Any]:
    data = sessions.read(key)
    user = users.user_of(data) if data else None
    return sessions.store(key, data), user or users.nobody()


def user_of(session: Any) -> Any:
    """The user of a session that was read already; queries the database."""
    return users.user_of(session) or users.nobody()
