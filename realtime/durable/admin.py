"""Durable emits in the admin: what waits, what was given up and why, and another try."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext

from .models import DurableEmit

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[DurableEmit]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(DurableEmit)
class DurableEmitAdmin(ModelAdmin):
    """Shows them; only `retry` and deleting change anything."""

    list_display = ("event", "namespace", "to", "state", "attempts", "error", "created_at")
    list_filter = ("state", "namespace", "created_at")
    search_fields = ("event", "key", "error")
    show_full_result_count = False
    actions = ("retry",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Django asks for it where an action has the permission "retry"."""
        user: Any = request.user
        return bool(user.has_perm("realtime_durable.retry_durableemit"))

    @admin.action(description=gettext_lazy("Retry selected durable emits"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: "QuerySet[DurableEmit]") -> None:
        """Let the courier send what is not sent yet, as if it had never failed."""
        unsent = list(queryset.exclude(state=DurableEmit.State.SENT))
        # Again without those that were sent meanwhile.
        rows = DurableEmit.objects.using(queryset.db).filter(pk__in=[row.pk for row in unsent])
        rows.exclude(state=DurableEmit.State.SENT).update(
            state=DurableEmit.State.WAITING, attempts=0, due_at=timezone.now()
        )
        for row in unsent:
            self.log_change(request, row, "Retried.")
        text = ngettext(
            "%d durable emit will be sent as soon as possible.",
            "%d durable emits will be sent as soon as possible.",
            len(unsent),
        )
        self.message_user(request, text % len(unsent), messages.SUCCESS)
