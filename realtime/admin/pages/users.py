"""The pages of users: who is online, and each with all their sockets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin.models import DELETION
from django.contrib.admin.utils import quote
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext, gettext_noop

from ...exceptions import RoomError
from ...models import OnlineUser
from ...node import rooms
from ...operations.reports import Outcome, UserOnline
from ...operations.steering import disconnect_sockets
from ...operations.users import fetch_users
from .actions import Action, act_on_selected, carry_out, disconnected, offered
from .asking import Notes
from .base import LiveAdmin
from .emitting import EmitForm, Target, emit_view
from .instances import NO_KEY
from .listing import Column
from .socket_table import COLUMNS_WITH_NAMESPACE, DISCONNECT, fetch_page, fetch_within, rows
from .urls import PageURLs


@dataclass(frozen=True, kw_only=True)
class UserRow:
    info: UserOnline
    key: str
    url: str
    account_url: str


def _room_of(key: str) -> str:
    return f"{rooms.RESERVED}{key}"


def _label_of_key(key: str) -> str | None:
    """The name of the user with this key; None if there is no such user."""
    label, _, pk = key.partition(":")
    try:
        rooms.targets(_room_of(key))
        model = apps.get_model(label)
    except (LookupError, RoomError, ValueError):
        return None
    if not pk or not hasattr(model, "is_authenticated"):
        return None  # the room of another model instance
    try:
        user = model._default_manager.filter(pk=pk).first()
    except NO_KEY:
        return None
    return f"{user.get_username()}" if hasattr(user, "get_username") else key


def _disconnect(keys: Sequence[str]) -> Outcome:
    return disconnect_sockets([_room_of(key) for key in keys], namespace=None, connection=True)


DISCONNECT_USERS = Action(
    name="disconnect_everywhere",
    label=gettext_noop("Disconnect selected users everywhere"),
    question=gettext_noop(
        "Close all connections of these users, in all namespaces and processes? The stock client"
        " does not reconnect by itself, but a user who reloads a page is back."
    ),
    permission="realtime.disconnect_onlineuser",
    model=OnlineUser,
    flag=DELETION,
    done=disconnected,
    run=_disconnect,
    label_of=_label_of_key,
)


class OnlineUserAdmin(LiveAdmin):
    """The users with sockets in any process, and a page for each."""

    page_name = "users"
    columns = (
        Column(name="name", title=gettext_noop("user"), order="name"),
        Column(name="sockets", title=gettext_noop("sockets"), order="sockets"),
        Column(name="since", title=gettext_noop("connected"), order="since"),
        Column(name="account", title=gettext_noop("account")),
    )
    order = "name"

    def more_urls(self) -> list[URLPattern]:
        return [
            self._path("view/", self.detail_view, "detail"),
            self._path("emit/", self.emit_view, "emit"),
            self._path("disconnect/", self.disconnect_view, "disconnect"),
        ]

    def address_of(self, key: str) -> str:
        return self.address("detail", user=key)

    def label_of(self, key: str) -> str:
        return _label_of_key(key) or key

    def changelist_view(
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        self.check_view_permission(request)
        if request.method == "POST":
            return act_on_selected(self, request, [DISCONNECT_USERS])
        notes = Notes()
        listing = self.listing(request)
        page = fetch_within(
            listing,
            notes,
            lambda: fetch_users(
                search=listing.search,
                order_by=listing.order,
                offset=listing.offset,
                limit=listing.per_page,
            ),
        )
        to = PageURLs(self.admin_site, request)
        return self.show(
            request,
            "users",
            notes,
            listing=listing,
            rows=[_row(info, to) for info in (page.users if page else ())],
            actions=offered(request, [DISCONNECT_USERS]),
            nobody=gettext("No user is online."),
        )

    def detail_view(self, request: HttpRequest) -> HttpResponse:
        self.check_view_permission(request)
        key, name = _user(request)
        trail = [(name, self.address_of(key))]
        if request.method == "POST":
            return act_on_selected(self, request, [DISCONNECT], trail=trail)
        notes = Notes()
        listing = self.listing(request, "user", columns=COLUMNS_WITH_NAMESPACE, order="-since")
        found = fetch_page(listing, notes, _room_of(key))
        to = PageURLs(self.admin_site, request)
        namespaces = sorted({info.namespace for info in found})
        may_emit = bool(found) and self.has_emit_permission(request)
        return self.show(
            request,
            "user",
            notes,
            listing=listing,
            rows=rows(found, to),
            actions=offered(request, [DISCONNECT]),
            nobody=gettext("This user is not online."),
            title=name,
            page_name="user",
            region={"user": key},
            tools=self._tools(request, key, to),
            form=EmitForm(namespaces) if may_emit else None,
            emit_url=self.address("emit", user=key),
        )

    def emit_view(self, request: HttpRequest) -> HttpResponse:
        self.check_view_permission(request)
        key, name = _user(request)
        listing = self.listing(request, "user", columns=COLUMNS_WITH_NAMESPACE, order="-since")
        found = fetch_page(listing, Notes(), _room_of(key))
        target = Target(
            key=key,
            label=name,
            to=_room_of(key),
            namespaces=sorted({info.namespace for info in found}),
            back=self.address_of(key),
        )
        return emit_view(self, request, target)

    def disconnect_view(self, request: HttpRequest) -> HttpResponse:
        self.check_view_permission(request)
        key, name = _user(request)
        back = self.address_of(key)
        return carry_out(self, request, DISCONNECT_USERS, [key], back, trail=[(name, back)])

    def _tools(self, request: HttpRequest, key: str, to: PageURLs) -> list[tuple[str, str]]:
        tools = [(gettext("History"), self.address("history", quote(key)))]
        account = to.account(*key.split(":", 1))
        if account:
            tools.append((gettext("Account"), account))
        if DISCONNECT_USERS.is_allowed(request):
            address = self.address("disconnect", user=key)
            tools.append((gettext("Disconnect everywhere"), address))
        return tools


def _row(info: UserOnline, to: PageURLs) -> UserRow:
    return UserRow(
        info=info,
        key=f"{info.model}:{info.pk}",
        url=to.user(info.model, info.pk),
        account_url=to.account(info.model, info.pk),
    )


def _user(request: HttpRequest) -> tuple[str, str]:
    """The key in the address, and what the user is called."""
    key = request.GET.get("user", "")
    name = _label_of_key(key)
    if name is None:
        raise Http404("This URL must name a user: ?user=auth.user:7")
    return key, name
