"""What the admin's pages of rooms, sockets, users and nodes have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext

from .asking import Notes
from .listing import Column, Listing

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

#: A GET with this header gets the part of the page that changes, and nothing around it.
FRAGMENT_HEADER = "X-Realtime-Fragment"
View = Callable[..., HttpResponse]


class LiveAdmin(ModelAdmin):
    """A list of what the servers hold, and for most lists a page for each entry."""

    #: What the pages are about, for the script: "rooms" and so on.
    page_name = ""
    columns: Sequence[Column] = ()
    order = ""

    # Permissions: nothing is stored, so there is nothing to add, change or delete.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_emit_permission(self, request: HttpRequest) -> bool:
        codename = get_permission_codename("emit", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def check_view_permission(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    # Addresses. Names of rooms and the like are in the query string: they may hold anything.

    def get_urls(self) -> list[URLPattern]:
        return [
            self._path("", self.changelist_view, "changelist"),
            *self.more_urls(),
            self._path("<path:object_id>/history/", self.history_view, "history"),
            self._path("<path:object_id>/change/", self.change_view, "change"),
        ]

    def more_urls(self) -> list[URLPattern]:
        """The addresses of a page for each entry, and of what can be done there."""
        return []

    def _path(self, route: str, view: View, name: str) -> URLPattern:
        view = self.admin_site.admin_view(view)
        return path(route, view, name=f"{self.opts.app_label}_{self.opts.model_name}_{name}")

    def address(self, view: str = "changelist", *args: str, **query: str) -> str:
        """The address of one of our pages."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{view}"
        address = reverse(name, args=args, current_app=self.admin_site.name)
        return f"{address}?{urlencode(query)}" if query else address

    # The admin's log links to these.

    object_history_template = "admin/realtime/history.html"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        label = self.label_of(unquote(object_id))
        title = gettext("History of %(name)s") % {"name": label}
        context = {"title": title, **(extra_context or {})}
        return super().history_view(request, object_id, context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        entry = self.model(key=object_id)
        entry.label = self.label_of(object_id)
        return entry

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        self.check_view_permission(request)
        return HttpResponseRedirect(self.address_of(unquote(object_id)))

    def label_of(self, key: str) -> str:
        """What the entry with this key is called."""
        return key

    def address_of(self, key: str) -> str:
        """The page of the entry with this key."""
        return self.address()

    # Pages

    def listing(
        self,
        request: HttpRequest,
        *kept: str,
        columns: Sequence[Column] | None = None,
        order: str | None = None,
    ) -> Listing:
        """What the query string asks for, of our columns or others."""
        return Listing(
            params=request.GET.dict(),
            columns=self.columns if columns is None else columns,
            order=self.order if order is None else order,
            per_page=self.list_per_page,
            kept=kept,
        )

    def show(
        self, request: HttpRequest, template: str, notes: Notes, **context: Any
    ) -> HttpResponse:
        """The page, or, for our script, the part of it that changes."""
        # Set by AdminSite's own views, too: the namespace that {% url %} resolves in.
        request.current_app = self.admin_site.name
        live = f"admin/realtime/{template}_live.html"
        context |= {"notes": notes, "opts": self.opts}
        if is_fragment(request):
            return TemplateResponse(request, live, context)
        context = {
            **self.admin_site.each_context(request),
            "live": live,
            "page_name": self.page_name,
            "list_name": self.page_name,
            "region": {},
            "title": capfirst(self.opts.verbose_name_plural),
            "subtitle": None,
            **context,
        }
        names = [f"admin/realtime/{template}.html", "admin/realtime/page.html"]
        return TemplateResponse(request, names, context)


def is_fragment(request: HttpRequest) -> bool:
    return request.headers.get(FRAGMENT_HEADER) == "1"


def namespace_of(request: HttpRequest) -> str | None:
    """The namespace that a list is filtered by; an invalid one is ignored."""
    namespace = request.GET.get("namespace", "")
    return namespace if namespace.startswith("/") else None
