"""Who may connect, and who may send which event; for a consumer's `permission_classes`."""

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from .consumers.consumer import SocketIOConsumer


class BasePermission:
    """Allows everything. Override either method; both are async.

    `message` is what a refused client is told.
    """

    message = "You may not do this."

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        """Whether this socket may join its namespace; asked before the consumer's `connect`."""
        return True

    async def may_handle(self, consumer: "SocketIOConsumer", event: str, args: list[Any]) -> bool:
        """Whether this event may reach its handler."""
        return True


class AllowAny(BasePermission):
    """Everyone, logged in or not."""


class IsAuthenticated(BasePermission):
    """Clients that are logged in, by a session or a token."""

    message = "Log in first."

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        return bool(consumer.user.is_authenticated)


class IsStaff(BasePermission):
    """Users who may enter the Django admin."""

    message = "Only staff may do this."

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        return bool(consumer.user.is_active and consumer.user.is_staff)


class HasPermission(BasePermission):
    """Users with a Django permission: `HasPermission("shop.change_order")`."""

    def __init__(self, permission: str) -> None:
        self.permission = permission
        self.message = f"You need the permission {permission}."

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        return bool(await sync_to_async(consumer.user.has_perm)(self.permission))

    def __call__(self) -> "HasPermission":
        return self
