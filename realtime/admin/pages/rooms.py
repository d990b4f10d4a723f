"""The pages of rooms: all of them, and each with its members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext, gettext_noop

from ...exceptions import RoomError
from ...node import rooms
from ...operations.arguments import checked_namespace
from ...operations.reports import RoomInfo
from ...operations.room_kinds import ROOM_KINDS
from ...operations.rooms import fetch_room, fetch_rooms
from ...routing import consumer_of
from ...rules.rule import match
from .actions import act_on_selected, carry_out, offered
from .asking import Notes
from .base import LiveAdmin, is_fragment, namespace_of
from .emitting import EmitForm, Target, emit_view
from .instances import titles
from .listing import Column
from .reach import may_reach
from .room_actions import CLOSE, Address, remove_from
from .socket_table import COLUMNS, DISCONNECT, fetch_page, fetch_within, filter_by_namespace, rows
from .urls import PageURLs

KINDS = {
    "": gettext_noop("All"),
    "room": gettext_noop("Named"),
    "user": gettext_noop("Of users"),
    "instance": gettext_noop("Of other model instances"),
}


@dataclass(frozen=True, kw_only=True)
class RoomRow:
    info: RoomInfo
    key: str
    url: str
    title: str


class RoomAdmin(LiveAdmin):
    """All rooms of all processes, and a page for each."""

    page_name = "rooms"
    columns = (
        Column(name="name", title=gettext_noop("room"), order="name"),
        Column(name="members", title=gettext_noop("members"), order="sockets"),
        Column(name="events", title=gettext_noop("events/min"), order="events"),
        Column(name="users", title=gettext_noop("users")),
        Column(name="namespace", title=gettext_noop("namespace")),
        Column(name="kind", title=gettext_noop("kind")),
    )
    order = "-sockets"

    def more_urls(self) -> list[URLPattern]:
        return [
            self._path("view/", self.detail_view, "detail"),
            self._path("emit/", self.emit_view, "emit"),
            self._path("close/", self.close_view, "close"),
        ]

    def address_of(self, key: str) -> str:
        namespace, _, name = key.partition(",")
        return self.address("detail", namespace=namespace, room=name)

    def label_of(self, key: str) -> str:
        namespace, _, name = key.partition(",")
        return Address(namespace=namespace, name=name).label

    def changelist_view(
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        self.check_view_permission(request)
        if request.method == "POST":
            return act_on_selected(self, request, [CLOSE])
        notes = Notes()
        listing = self.listing(request, "namespace", "kind")
        kind: Any = request.GET.get("kind")
        page = fetch_within(
            listing,
            notes,
            lambda: fetch_rooms(
                namespace=namespace_of(request),
                search=listing.search,
                kind=kind if kind in ROOM_KINDS else None,
                order_by=listing.order,
                offset=listing.offset,
                limit=listing.per_page,
            ),
        )
        if not is_fragment(request):
            filter_by_namespace(listing, notes)
            kinds = {name: gettext(display) for name, display in KINDS.items()}
            listing.filter(gettext("kind"), "kind", kinds)
        return self.show(
            request,
            "rooms",
            notes,
            listing=listing,
            rows=self._rows(request, page.rooms if page else ()),
            actions=offered(request, [CLOSE]),
            nobody=gettext("No rooms."),
        )

    def _rows(self, request: HttpRequest, found: Sequence[RoomInfo]) -> list[RoomRow]:
        to = PageURLs(self.admin_site, request)
        known = titles((info.name for info in found), to)
        return [
            RoomRow(
                info=info,
                key=Address(namespace=info.namespace, name=info.name).key,
                url=to.room(info.namespace, info.name),
                title=known.get(info.name, ""),
            )
            for info in found
        ]

    def detail_view(self, request: HttpRequest) -> HttpResponse:
        self.check_view_permission(request)
        room = _address(request)
        actions = [] if room.is_of_a_user else [remove_from(room)]
        actions.append(DISCONNECT)
        trail = [(room.label, self.address_of(room.key))]
        if request.method == "POST":
            return act_on_selected(self, request, actions, trail=trail)
        notes = Notes()
        listing = self.listing(request, "namespace", "room", columns=COLUMNS, order="user")
        to = PageURLs(self.admin_site, request)
        found = fetch_page(listing, notes, room.name, room.namespace)
        report = notes.ask(lambda: fetch_room(room.namespace, room.name)) if found else None
        may_emit = self.has_emit_permission(request) and may_reach(request.user, room.name)
        return self.show(
            request,
            "room",
            notes,
            listing=listing,
            rows=rows(found, to),
            actions=offered(request, actions),
            room=room,
            info=report.room if report else None,
            nobody=gettext("Nobody is in this room."),
            title=titles([room.name], to).get(room.name, room.name),
            subtitle=_subtitle(room),
            page_name="room",
            region={
                "namespace": room.namespace,
                "room": room.name,
                # Whether live.js offers the feed of events.
                "watch": "1" if request.user.has_perm("realtime.watch_room") else "",
            },
            tools=self._tools(request, room),
            form=EmitForm([room.namespace]) if may_emit else None,
            emit_url=self.address("emit", namespace=room.namespace, room=room.name),
        )

    def emit_view(self, request: HttpRequest) -> HttpResponse:
        self.check_view_permission(request)
        room = _address(request)
        if not may_reach(request.user, room.name):
            raise PermissionDenied
        target = Target(
            key=room.key,
            label=room.label,
            to=room.name,
            namespaces=[room.namespace],
            back=self.address_of(room.key),
        )
        return emit_view(self, request, target)

    def close_view(self, request: HttpRequest) -> HttpResponse:
        self.check_view_permission(request)
        room = _address(request)
        back = self.address_of(room.key)
        return carry_out(self, request, CLOSE, [room.key], back, trail=[(room.label, back)])

    def _tools(self, request: HttpRequest, room: Address) -> list[tuple[str, str]]:
        tools = [(gettext("History"), self.address("history", quote(room.key)))]
        if CLOSE.is_allowed(request) and not room.is_of_a_user:
            address = self.address("close", namespace=room.namespace, room=room.name)
            tools.append((gettext("Close the room"), address))
        return tools


def _subtitle(room: Address) -> str:
    rule = _rule_of(room)
    if room.name.startswith(rooms.RESERVED):  # the title is what its instance is called
        said = gettext("Room %(room)s") % {"room": room.label}
    else:
        said = gettext("Room in namespace %(namespace)s") % {"namespace": room.namespace}
    if not rule:
        return said
    ruled = gettext("%(room)s, which clients join by the rule %(rule)s")
    return ruled % {"room": said, "rule": rule}


def _rule_of(room: Address) -> str:
    """The rule by which clients join the room themselves, or ""."""
    consumer = consumer_of(room.namespace)
    found = None if consumer is None else match(consumer.room_rules, room.name)
    return "" if found is None else found[0].name


def _address(request: HttpRequest) -> Address:
    room = Address(namespace=request.GET.get("namespace", ""), name=request.GET.get("room", ""))
    try:
        checked_namespace(room.namespace)
        rooms.targets(room.name)
    except (RoomError, ValueError) as error:
        raise Http404(f"This URL must name a room, ?namespace=/&room=...: {error}") from None
    return room
