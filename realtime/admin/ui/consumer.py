"""For the Socket.IO Admin UI, the web page of the npm package @socket.io/admin-ui.

It speaks to an ordinary namespace, "/admin" by default. Nothing serves it unless a project does:

    namespace("/admin")(AdminUIConsumer)

The page must come from the site's own origin, because the session cookie identifies its user; the
username and password that it asks for are ignored. Needs django.contrib.admin.
"""

import contextlib
import logging
from collections.abc import Collection, Iterator
from typing import Any, ClassVar

from channels.db import database_sync_to_async
from django.contrib.admin.models import CHANGE, DELETION, LogEntry

from ...authentication.session import SessionAuthentication
from ...consumers.consumer import SocketIOConsumer
from ...emitters import aemit
from ...events import event
from ...exceptions import ChannelLayerError, ConnectionRefused, EventError, PermissionRefused
from ...models import Room, Shown, Socket
from ...node import rooms
from ...operations.nodes import afetch_nodes
from ...operations.sockets import afetch_sockets
from ...operations.steering import adisconnect_sockets, ajoin_sockets, aleave_sockets
from ..live.pulse import charted, pulse
from ..live.staff import granted
from ..pages.reach import needed
from .messages import Population, Sockets, changes, serialized, server_stats

logger = logging.getLogger("realtime.admin")

#: What the page shows, and so the permissions that its user needs.
VIEW = frozenset({"realtime.view_room", "realtime.view_socket", "realtime.view_node"})
#: What the page can do, by its own names, and what the user must be permitted for it.
FEATURES = {
    "EMIT": "realtime.emit_room",
    "JOIN": "realtime.disconnect_room",
    "MJOIN": "realtime.disconnect_room",
    "LEAVE": "realtime.disconnect_room",
    "MLEAVE": "realtime.disconnect_room",
    "DISCONNECT": "realtime.disconnect_socket",
    "MDISCONNECT": "realtime.disconnect_socket",
}
#: Sockets that a page is told of, the oldest first; it holds all of them in memory.
MAX_SOCKETS = 2_000
#: Changes that are sent one by one; if there are more, the page gets all sockets again.
MAX_CHANGES = 200


class AdminUIConsumer(SocketIOConsumer):
    """Serves one open Socket.IO Admin UI, for staff users who may view rooms, sockets and nodes.

    With `read_only = False` it may also emit, join, leave and disconnect, as far as the user's
    permissions allow; every action is recorded in the admin's log. Events of clients are not shown.
    """

    authentication_classes = (SessionAuthentication,)
    read_only: ClassVar[bool] = True

    async def connect(self, auth: Any) -> None:
        self._known: Sockets = {}
        #: The nodes of those.
        self._nodes: dict[str, str] = {}
        self._population = Population()
        permissions = await granted(self.scope, VIEW | set(FEATURES.values()))
        if not permissions >= VIEW:
            raise ConnectionRefused(
                "Log in to the admin of this site, at the same address, as staff who may view"
                " rooms, sockets and nodes."
            )
        features = [name for name, needed in FEATURES.items() if needed in permissions]
        await self.emit("config", {"supportedFeatures": [] if self.read_only else features})
        await self.tell("tick")
        with contextlib.suppress(ChannelLayerError):  # the next beat tries again
            await self._tell_stats(charted((await afetch_nodes()).nodes))
        pulse().add(self)

    async def disconnect(self, reason: str) -> None:
        pulse().remove(self)

    # For the pulse

    watches = True
    charts = True

    async def still_may(self) -> bool:
        if await granted(self.scope, VIEW) == VIEW:
            return True
        pulse().remove(self)
        await self.close()
        return False

    async def tell(self, event: str, *args: Any) -> None:
        if event == "nodes":
            await self._tell_stats(args[0][-1]["nodes"])
            return
        try:
            await self._tell_changes()
        except ChannelLayerError as error:  # the next beat tries again
            logger.warning("the Admin UI could not be told of changes: %s", error)

    async def _tell_changes(self) -> None:
        page = await afetch_sockets(namespace=None, order_by="since", limit=MAX_SOCKETS)
        new = {info.sid: serialized(info) for info in page.sockets}
        nodes = {info.sid: info.node for info in page.sockets}
        for sid, socket in self._known.items():
            if self._nodes[sid] in page.missing:  # its node is slow; the socket is not gone
                new.setdefault(sid, socket)
                nodes.setdefault(sid, self._nodes[sid])
        self._nodes = nodes
        old, self._known = self._known, new
        messages = changes(old, new) if old else None
        if messages is None or len(messages) > MAX_CHANGES:
            messages = [("all_sockets", list(new.values()))]
        for message in messages:
            await self.emit(*message)

    async def _tell_stats(self, nodes: Collection[dict[str, Any]]) -> None:
        for node in nodes:
            population = self._population.of_node(node["id"], self._known, self._nodes)
            await self.emit("server_stats", server_stats(node, population))

    # What the page asks for. A filter is a room or a sid; without it, it is about everyone.

    @event("emit")
    async def emit_for_page(
        self, namespace: str, filter: str | None, name: str, *args: Any
    ) -> None:
        await self._demand("EMIT")
        await self._demand_permission(needed(filter or None))
        with _mistakes():
            await aemit(name, *args, to=filter or None, namespace=namespace)
        await self._log(namespace, filter, CHANGE, f"Emitted {name!r:.200} in the Admin UI.")

    @event("join")
    async def join_for_page(self, namespace: str, room: str, filter: str | None = None) -> None:
        await self._demand("JOIN")
        with _mistakes():
            done = await ajoin_sockets(room, filter or None, namespace=namespace)
        text = f"{done.sockets} sockets joined {room!r} in the Admin UI."
        await self._log(namespace, filter or room, CHANGE, text)

    @event("leave")
    async def leave_for_page(self, namespace: str, room: str, filter: str | None = None) -> None:
        await self._demand("LEAVE")
        with _mistakes():
            done = await aleave_sockets(room, filter or None, namespace=namespace)
        text = f"{done.sockets} sockets left {room!r} in the Admin UI."
        await self._log(namespace, filter or room, CHANGE, text)

    @event("_disconnect")
    async def disconnect_for_page(
        self, namespace: str, close: bool = False, filter: str | None = None
    ) -> None:
        await self._demand("DISCONNECT")
        with _mistakes():
            done = await adisconnect_sockets(
                filter or None, namespace=namespace, connection=bool(close)
            )
        text = f"{done.sockets} sockets were disconnected in the Admin UI."
        await self._log(namespace, filter, DELETION, text)

    async def _demand(self, feature: str) -> None:
        if self.read_only:
            raise PermissionRefused("This Admin UI is read-only.")
        await self._demand_permission(FEATURES[feature])

    async def _demand_permission(self, permission: str) -> None:
        if permission not in await granted(self.scope, {permission}):
            raise PermissionRefused(f"You need the permission {permission}.")

    async def _log(self, namespace: str, target: str | None, flag: int, message: str) -> None:
        await database_sync_to_async(LogEntry.objects.log_actions)(
            self.user.pk, [_entry(namespace, target or "")], flag, message.replace("\0", "")
        )


@contextlib.contextmanager
def _mistakes() -> Iterator[None]:
    """An invalid room or namespace is the page's mistake, not a failure of the handler."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise EventError(str(error), code="bad_arguments") from error


def _entry(namespace: str, target: str) -> Shown:
    """What an entry of the admin's log is about, as the admin's own pages name it."""
    if rooms.is_sid(target):
        return Socket(key=target)
    entry = Room(key=f"{namespace},{target}")
    entry.label = f"{target or 'everyone'} in {namespace}"
    return entry
