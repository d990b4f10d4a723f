"""The pages of sockets: all of them, and each by itself."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin.utils import quote
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext

from ...json import dumps
from ...node import rooms
from ...operations.reports import SocketInfo
from ...operations.sockets import fetch_sockets
from .actions import act_on_selected, carry_out, offered
from .asking import Notes
from .base import LiveAdmin, is_fragment, namespace_of
from .emitting import EmitForm, Target, emit_view
from .instances import titles
from .socket_table import (
    COLUMNS_WITH_NAMESPACE,
    DISCONNECT,
    fetch_page,
    filter_by_namespace,
    row,
    rows,
)
from .urls import PageURLs


class SocketAdmin(LiveAdmin):
    """All sockets of all processes, and a page for each."""

    page_name = "sockets"
    columns = COLUMNS_WITH_NAMESPACE
    order = "-since"

    def more_urls(self) -> list[URLPattern]:
        return [
            self._path("view/", self.detail_view, "detail"),
            self._path("emit/", self.emit_view, "emit"),
            self._path("disconnect/", self.disconnect_view, "disconnect"),
        ]

    def address_of(self, key: str) -> str:
        return self.address("detail", sid=key)

    def changelist_view(
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        self.check_view_permission(request)
        if request.method == "POST":
            return act_on_selected(self, request, [DISCONNECT])
        notes = Notes()
        listing = self.listing(request, "namespace")
        found = fetch_page(listing, notes, namespace=namespace_of(request))
        if not is_fragment(request):
            filter_by_namespace(listing, notes)
        return self.show(
            request,
            "sockets",
            notes,
            listing=listing,
            rows=rows(found, PageURLs(self.admin_site, request)),
            actions=offered(request, [DISCONNECT]),
            nobody=gettext("No sockets."),
        )

    def detail_view(self, request: HttpRequest) -> HttpResponse:
        self.check_view_permission(request)
        sid, notes = _sid(request), Notes()
        info = _fetch(sid, notes)
        may_emit = self.has_emit_permission(request)
        return self.show(
            request,
            "socket",
            notes,
            **self._details(info, notes, PageURLs(self.admin_site, request)),
            title=sid,
            page_name="socket",
            region={"sid": sid},
            tools=self._tools(request, sid, info),
            form=EmitForm([info.namespace]) if may_emit and info else None,
            emit_url=self.address("emit", sid=sid),
        )

    def _details(self, info: SocketInfo | None, notes: Notes, to: PageURLs) -> dict[str, Any]:
        if info is None:
            return {"info": None}
        known = titles(info.rooms, to)
        siblings = None
        if info.siblings:
            siblings = notes.ask(lambda: fetch_sockets(list(info.siblings), namespace=None))
        return {
            "info": info,
            "row": row(info, to),
            "user_url": to.user(info.user.model, info.user.pk) if info.user else "",
            "rooms": [
                (name, known.get(name, ""), to.room(info.namespace, name)) for name in info.rooms
            ],
            "siblings": rows(siblings.sockets, to) if siblings else [],
            "data": dumps(info.data) if info.data else "",
        }

    def emit_view(self, request: HttpRequest) -> HttpResponse:
        self.check_view_permission(request)
        sid = _sid(request)
        info = _fetch(sid, Notes())
        target = Target(
            key=sid,
            label=sid,
            to=sid,
            namespaces=[info.namespace] if info else [],
            back=self.address_of(sid),
        )
        return emit_view(self, request, target)

    def disconnect_view(self, request: HttpRequest) -> HttpResponse:
        self.check_view_permission(request)
        sid = _sid(request)
        back = self.address_of(sid)
        return carry_out(self, request, DISCONNECT, [sid], back, trail=[(sid, back)])

    def _tools(
        self, request: HttpRequest, sid: str, info: SocketInfo | None
    ) -> list[tuple[str, str]]:
        tools = [(gettext("History"), self.address("history", quote(sid)))]
        if info is not None and DISCONNECT.is_allowed(request):
            tools.append((gettext("Disconnect"), self.address("disconnect", sid=sid)))
        return tools


def _sid(request: HttpRequest) -> str:
    sid = request.GET.get("sid", "")
    if not rooms.is_sid(sid):
        raise Http404("This URL must name a socket: ?sid=...")
    return sid


def _fetch(sid: str, notes: Notes) -> SocketInfo | None:
    page = notes.ask(lambda: fetch_sockets(sid, namespace=None))
    if page is None:
        return None
    # A sid whose node is gone is simply gone, too.
    return page.sockets[0] if page.sockets else None
