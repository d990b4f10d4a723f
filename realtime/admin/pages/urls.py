"""URLs of pages that the reader may see; "" for those they may not."""

from urllib.parse import urlencode

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from ...models import OnlineUser, Room, Socket


class PageURLs:
    """The links of one response."""

    def __init__(self, site: AdminSite, request: HttpRequest) -> None:
        self._site = site
        self._request = request
        self._visible: dict[type[Model], bool] = {}

    def room(self, namespace: str, name: str) -> str:
        return self._detail(Room, namespace=namespace, room=name)

    def socket(self, sid: str) -> str:
        return self._detail(Socket, sid=sid)

    def user(self, model: str, pk: str) -> str:
        return self._detail(OnlineUser, user=f"{model}:{pk}")

    def account(self, model: str, pk: str) -> str:
        """The page where the admin shows and changes the user itself."""
        found = self.visible_model(model)
        return "" if found is None else self._reverse(found, "change", quote(pk))

    def visible_model(self, label: str) -> type[Model] | None:
        """The model with this label, if its pages may be seen."""
        try:
            model = apps.get_model(label)
        except (LookupError, ValueError):
            return None
        return model if self._sees(model) else None

    def _detail(self, model: type[Model], **query: str) -> str:
        if not self._sees(model):
            return ""
        return f"{self._reverse(model, 'detail')}?{urlencode(query)}"

    def _sees(self, model: type[Model]) -> bool:
        if model not in self._visible:
            self._visible[model] = self._site.is_registered(model) and self._site.get_model_admin(
                model
            ).has_view_permission(self._request)
        return self._visible[model]

    def _reverse(self, model: type[Model], view: str, *args: str) -> str:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}"
        try:
            return reverse(name, args=args, current_app=self._site.name)
        except NoReverseMatch:  # its ModelAdmin has addresses of its own
            return ""
