"""Permission classes decide who may connect, and who may send which event.

Combine them as in Django REST framework: `IsStaff | HasPermission("shop.change_order")`.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

from .aio.calls import async_or_not, run_for_truth

if TYPE_CHECKING:
    from .consumers.consumer import SocketIOConsumer


class _Composable:
    """`&`, `|` and `~`, for classes of permissions and for their instances."""

    def __and__(self, other: Any) -> "BasePermission":
        return _All(self, other)

    def __or__(self, other: Any) -> "BasePermission":
        return _Any(self, other)

    def __rand__(self, other: Any) -> "BasePermission":
        return _All(other, self)

    def __ror__(self, other: Any) -> "BasePermission":
        return _Any(other, self)

    def __invert__(self) -> "BasePermission":
        return _Not(self)


class _PermissionType(_Composable, type):  # type: ignore[misc]  # `|` of types is ours here
    """The class of permission classes, so that these can be composed as well."""


class BasePermission(_Composable, metaclass=_PermissionType):
    """Allows everything. Override one of the methods or both, as `async def` or plain `def`.

    `message` is what a refused client is told, and `code` the error code. Don't store state in an
    instance: it is shared by all events of a socket, or by all sockets.
    """

    message = "You may not do this."
    code = "forbidden"

    @async_or_not
    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        """Return whether this socket may be in its namespace.

        Called before the consumer's `connect`, and again when the user, or the user's groups or
        permissions, have changed.
        """
        return True

    @async_or_not
    async def may_handle(self, consumer: "SocketIOConsumer", event: str, args: list[Any]) -> bool:
        """Return whether this event may reach its handler. `args` are as the client sent them.

        By default, this calls `may_connect`.
        """
        return await run_for_truth(self.may_connect, consumer)

    # What a permission has an opinion about, so that nothing is asked in vain.

    @property
    def minds_connects(self) -> bool:
        return type(self).may_connect is not BasePermission.may_connect

    @property
    def minds_events(self) -> bool:
        """Whether it says something else about events than about connecting."""
        return type(self).may_handle is not BasePermission.may_handle


class AllowAny(BasePermission):
    """Allows everyone, logged in or not."""

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        return True


class IsAuthenticated(BasePermission):
    """Allows clients that are logged in, by a session or a token."""

    message = "Log in first."

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        return bool(consumer.user.is_authenticated)


class IsStaff(BasePermission):
    """Allows users who may enter the Django admin."""

    message = "Only staff may do this."

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        return bool(consumer.user.is_active and consumer.user.is_staff)


class HasPermission(BasePermission):
    """Allows users with a Django permission: `HasPermission("shop.change_order")`."""

    def __init__(self, permission: str) -> None:
        self.permission = permission
        self.message = f"You need the permission {permission}."

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        return bool(await sync_to_async(consumer.user.has_perm)(self.permission))


def _shown(part: BasePermission) -> str:
    return repr(part) if isinstance(part, _Composed) else type(part).__name__


class _Composed(BasePermission):
    """Several permissions as one."""

    sign = ""

    def __init__(self, *parts: Any) -> None:
        # As they are: in `A | (B & C)` the `&` must not be taken apart.
        self.parts = tuple(_instance(part) for part in parts)

    def __repr__(self) -> str:
        return f"({f' {self.sign} '.join(map(_shown, self.parts))})"

    @property
    def minds_connects(self) -> bool:
        return any(part.minds_connects for part in self.parts)

    @property
    def minds_events(self) -> bool:
        return any(part.minds_events for part in self.parts)


class _All(_Composed):
    """`made` takes it apart where it stands alone, for the message of the part that refuses."""

    sign = "&"

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        for part in self.parts:
            if not await run_for_truth(part.may_connect, consumer):
                return False
        return True

    async def may_handle(self, consumer: "SocketIOConsumer", event: str, args: list[Any]) -> bool:
        for part in self.parts:
            if not await run_for_truth(part.may_handle, consumer, event, args):
                return False
        return True


class _Any(_Composed):
    sign = "|"

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        for part in self.parts:
            if await run_for_truth(part.may_connect, consumer):
                return True
        return False

    async def may_handle(self, consumer: "SocketIOConsumer", event: str, args: list[Any]) -> bool:
        for part in self.parts:
            if await run_for_truth(part.may_handle, consumer, event, args):
                return True
        return False


class _Not(_Composed):
    def __repr__(self) -> str:
        return f"~{_shown(self.parts[0])}"

    async def may_connect(self, consumer: "SocketIOConsumer") -> bool:
        (part,) = self.parts
        # What says nothing about connecting refuses nobody there, turned round or not.
        return not part.minds_connects or not await run_for_truth(part.may_connect, consumer)

    async def may_handle(self, consumer: "SocketIOConsumer", event: str, args: list[Any]) -> bool:
        (part,) = self.parts
        return not await run_for_truth(part.may_handle, consumer, event, args)


def made(permissions: Any) -> tuple[BasePermission, ...]:
    """Instances of a list of permission classes that must all agree, with each `&` taken apart.

    Raises TypeError for what is no permission, or no list.
    """
    # A tuple of one that lacks its comma is the class itself.
    if isinstance(permissions, str | type) or not isinstance(permissions, Iterable):
        name = getattr(permissions, "__name__", repr(permissions))
        raise TypeError(f"permission_classes must be a list, such as [{name}], not {name} itself")
    return tuple(part for permission in permissions for part in _all_of(_instance(permission)))


def _all_of(permission: BasePermission) -> Iterator[BasePermission]:
    if not isinstance(permission, _All):
        yield permission
        return
    for part in permission.parts:
        yield from _all_of(part)


def _instance(permission: Any) -> BasePermission:
    """An instance of a permission class; what is one already stays as it is."""
    instance = permission
    if isinstance(permission, type) or not isinstance(permission, BasePermission):
        if not callable(permission):
            raise TypeError(_not_one(permission))
        instance = permission()
    if not isinstance(instance, BasePermission):
        raise TypeError(_not_one(permission))
    return instance


def _not_one(permission: Any) -> str:
    return (
        "permission_classes takes subclasses of realtime.permissions.BasePermission, or instances"
        f" of them, not {permission!r}"
    )
