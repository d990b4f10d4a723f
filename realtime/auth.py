"""Who a client is: Django's session and user in the scope of the `socketio` protocol type."""

from typing import Any

from asgiref.sync import sync_to_async
from channels.sessions import CookieMiddleware
from django.conf import settings

from .node.threads import lanes
from .revocation import sessions, users
from .revocation.login import digest
from .revocation.memory import memory


def AuthStack(inner: Any) -> Any:  # noqa: N802 - named as Channels' AuthMiddlewareStack is
    """What Channels' AuthMiddlewareStack gives, for sockets: `cookies`, `session` and `user`.

    It never writes to a session, and reads session and user in one go in a worker thread; in none
    for a client without the session's cookie.
    """
    return CookieMiddleware(_Login(inner))


class _Login:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        scope = dict(scope)
        if "session" in scope:  # a middleware further out knows better
            session = scope["session"]
            if "user" not in scope:
                scope["user"] = await _in_thread(_user_of, session)
        else:
            key = scope["cookies"].get(settings.SESSION_COOKIE_NAME)
            scope["session"], user = await _look_up(key)
            scope.setdefault("user", user)
        return await self.inner(scope, receive, send)


async def _look_up(key: str | None) -> tuple[Any, Any]:
    """The session with this key, and its user."""
    if not sessions.are_usable():
        return {}, users.nobody()
    if not key or memory.has_ended(digest(key)):
        return sessions.store(None, None), users.nobody()
    found: tuple[Any, Any] = await _in_thread(_read, key)
    return found


def _read(key: str) -> tuple[Any, Any]:
    data = sessions.read(key)
    user = users.user_of(data) if data else None
    return sessions.store(key, data), user or users.nobody()


def _user_of(session: Any) -> Any:
    return users.user_of(session) or users.nobody()


async def _in_thread(work: Any, *args: Any) -> Any:
    lane = lanes().acquire()
    try:
        return await sync_to_async(work)(*args)
    finally:
        lanes().release(lane)
