"""Django's session and user in the scope of the `socketio` protocol type, for any application.

Consumers don't need it: they ask their authentication classes, see realtime/authentication/.
"""

from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from .authentication import session as sessions
from .node.threads import lanes


def AuthStack(inner: Any) -> Any:  # noqa: N802 - named as Channels' AuthMiddlewareStack is
    """Wrap an application so that its scope has `cookies`, `session` and `user`.

    It is Channels' AuthMiddlewareStack for sockets: it never writes to a session, reads session and
    user together in a worker thread, and uses no thread for clients without a session cookie.
    """
    return _Login(inner)


class _Login:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        # One coroutine and one copy: both stay for as long as the socket.
        scope = {**scope, "cookies": sessions.cookies_of(scope)}
        if "session" in scope:  # a middleware further out knows better
            if "user" not in scope:
                scope["user"] = await _in_thread(sessions.user_of, scope["session"])
        else:
            key = scope["cookies"].get(settings.SESSION_COOKIE_NAME)
            scope["session"], user = await sessions.look_up(key, _in_thread)
            scope.setdefault("user", user)
        return await self.inner(scope, receive, send)


async def _in_thread(work: Any, *args: Any) -> Any:
    lane = lanes().acquire()
    try:
        return await sync_to_async(work)(*args)
    finally:
        lanes().release(lane)
