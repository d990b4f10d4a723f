"""The app for INSTALLED_APPS."""

from django.apps import AppConfig


class DurableConfig(AppConfig):
    name = "realtime.durable"
    label = "realtime_durable"
    verbose_name = "Realtime: durable emits"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .. import emitters
        from .courier import keep

        emitters.keep = keep
