"""realtime as a Django app."""

from django.apps import AppConfig, apps
from django.core import checks


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Realtime"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .changes.receivers import listen_to_relations
        from .checks.changes import check_changes
        from .checks.deployment import check_deployment
        from .checks.site import check_settings
        from .doctor import namespace as _doctor  # noqa: F401 - registers its namespace
        from .recovery import connect
        from .routing import autodiscover, registered
        from .rules import changes

        checks.register(check_settings, checks.Tags.compatibility)
        checks.register(check_changes, checks.Tags.models)
        checks.register(check_deployment, checks.Tags.security, deploy=True)
        listen_to_relations()
        connect()
        autodiscover()
        for _, consumer in registered():  # some may have been made before all models were there
            changes.listen(consumer.room_rules)
        if apps.is_installed("django.contrib.auth"):
            from .authentication import rest_framework
            from .revocation import logins as revocation

            revocation.connect()
            rest_framework.connect()
            changes.connect()
