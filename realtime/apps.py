"""realtime as a Django app."""

from django.apps import AppConfig
from django.core import checks


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Realtime"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .checks import check_settings
        from .routing import autodiscover

        checks.register(check_settings, checks.Tags.compatibility)
        autodiscover()
