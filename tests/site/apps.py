from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "tests.site"
    label = "tests_site"

    def ready(self) -> None:
        from tests.site import receivers  # noqa: F401
