"""The namespace that keeps pages of the admin up to date, for staff only.

A client sends `watch` with the name of its page and gets `tick` when it should fetch the page
again, and on the page of nodes `nodes` with readings for the charts. It sends `feed` with a
namespace and a room and gets `lines` with the events there. Served where realtime's admin is.
"""

import asyncio
import logging
from typing import Any

from ...authentication.session import SessionAuthentication
from ...consumers.consumer import SocketIOConsumer
from ...events import event
from ...exceptions import ConnectionRefused, EventError, PermissionRefused
from ...logs import facts
from ...node import rooms
from ...node.current import serving
from ...routing import namespace
from .feeds import Feed
from .pulse import INTERVAL, pulse
from .staff import NAMESPACE, granted

logger = logging.getLogger("realtime.admin")

#: The permission that each page needs.
PAGES = {
    "rooms": "realtime.view_room",
    "room": "realtime.view_room",
    "sockets": "realtime.view_socket",
    "socket": "realtime.view_socket",
    "users": "realtime.view_onlineuser",
    "user": "realtime.view_onlineuser",
    "nodes": "realtime.view_node",
}
VIEW = frozenset(PAGES.values())
#: To read the events of a room; they may be personal, so viewing rooms is not enough.
FEED = frozenset({"realtime.view_room", "realtime.watch_room"})
#: Seconds from the first line of a batch until it is sent.
BATCH = 0.25


@namespace(NAMESPACE)
class LiveAdminConsumer(SocketIOConsumer):
    """Sends live updates to one open page of the admin."""

    authentication_classes = (SessionAuthentication,)

    async def connect(self, auth: Any) -> None:
        self._page: str | None = None
        self._feed: Feed | None = None
        self._sending: asyncio.Task[None] | None = None
        if not await granted(self.scope, VIEW):
            raise ConnectionRefused("Only staff who may view rooms, sockets, users or nodes.")

    async def disconnect(self, reason: str) -> None:
        pulse().remove(self)
        self._page = None
        self._end_feed()

    @event
    async def watch(self, page: str | None) -> dict[str, Any]:
        """Report changes on this page from now on; None stops it."""
        if page is not None:
            if page not in PAGES:
                raise EventError(
                    f"The page must be one of {', '.join(PAGES)}, or null.", code="bad_page"
                )
            await self._demand({PAGES[page]})
        self._page = page
        self._attend()
        if page == "nodes" and pulse().readings:
            await self.tell("nodes", list(pulse().readings))
        return {"interval": INTERVAL}

    @event("feed")
    async def switch_feed(self, namespace: str, room: str, on: bool) -> dict[str, Any]:
        """Send the events of this room, instead of the previous one's; or stop."""
        self._end_feed()
        if on:
            await self._demand(FEED)
            await self._begin_feed(namespace, room)
        self._attend()
        return {"on": self._feed is not None}

    # For the pulse

    @property
    def watches(self) -> bool:
        return self._page is not None

    @property
    def charts(self) -> bool:
        return self._page == "nodes"

    async def still_may(self) -> bool:
        permissions = await granted(self.scope, VIEW | FEED)
        needed = {PAGES[self._page]} if self._page is not None else set()
        if self._feed is not None:
            needed |= FEED
        if needed <= permissions:
            return True
        self._end_feed()
        self._page = None
        self._attend()
        await self.close()
        return False

    async def tell(self, event: str, *args: Any) -> None:
        await self.emit(event, *args)

    # Private

    async def _demand(self, permissions: set[str] | frozenset[str]) -> None:
        if not permissions <= await granted(self.scope, permissions):
            needed = " and ".join(sorted(permissions))
            raise PermissionRefused(f"You need the permission {needed}.")

    def _attend(self) -> None:
        if self._page is not None or self._feed is not None:
            pulse().add(self)
        else:
            pulse().remove(self)

    async def _begin_feed(self, namespace: str, room: str) -> None:
        node = serving()
        (name,) = rooms.targets((room,)) or ()
        if node is None or rooms.is_sid(name) or not rooms.is_namespace(namespace):
            raise EventError("There is no such room to watch.", code="bad_room")
        feed = Feed(node.members, namespace, name, self._lines_are_ready)
        self._feed = feed
        feed.open()
        await node.cluster.memberships.subscribe(feed.groups)
        logger.info(
            "somebody began to watch the events of room %r in %s",
            name,
            namespace,
            extra=facts(sid=self.sid, namespace=self.namespace, user=self.user, event="feed"),
        )

    def _end_feed(self) -> None:
        feed, self._feed = self._feed, None
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        node = serving()
        if feed is not None:
            feed.close()
            if node is not None:
                node.cluster.memberships.unsubscribe(feed.groups)

    def _lines_are_ready(self) -> None:
        self._sending = asyncio.get_running_loop().create_task(self._send_lines())

    async def _send_lines(self) -> None:
        await asyncio.sleep(BATCH)
        feed = self._feed
        if feed is not None:
            await self.tell("lines", feed.take())
