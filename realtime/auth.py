"""Who a client is: Django's session and user in the scope of the `socketio` protocol type."""

from typing import Any

from channels.auth import AuthMiddleware
from channels.sessions import CookieMiddleware, InstanceSessionWrapper, SessionMiddleware


class SocketSessionMiddleware(SessionMiddleware):
    """Channels' session middleware without its wrapper around `send`.

    The wrapper looks into the session at each message, for a cookie to set; no message of a
    socketio application can carry one. It cost 6 % of an event with an ack.
    """

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        wrapper = InstanceSessionWrapper(scope, send)
        await wrapper.resolve_session()
        return await self.inner(wrapper.scope, receive, send)


def AuthStack(inner: Any) -> Any:  # noqa: N802 - named as Channels' AuthMiddlewareStack is
    """Channels' AuthMiddlewareStack, as light as sockets allow."""
    return CookieMiddleware(SocketSessionMiddleware(AuthMiddleware(inner)))
