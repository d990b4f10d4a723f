"""A project with no more than realtime: settings, consumer and ASGI application in one file.

BARE_APPS names more apps for INSTALLED_APPS, with commas between.
"""

import os
from typing import Any

SECRET_KEY = "of a bare project"
ALLOWED_HOSTS = ["*"]
ASGI_APPLICATION = "tests.bare_site.application"
INSTALLED_APPS = [
    "daphne",
    "channels",
    "realtime",
    *filter(None, os.environ.get("BARE_APPS", "").split(",")),
]
ROOT_URLCONF = "tests.bare_site"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
DEBUG = True
USE_TZ = True
urlpatterns: list[Any] = []


def __getattr__(name: str) -> Any:
    """The application, made when a server asks for it: these are the settings that it needs."""
    if name != "application":
        raise AttributeError(name)
    from realtime.asgi import get_asgi_application

    application = get_asgi_application()
    from realtime import SocketIOConsumer, event, namespace
    from realtime.permissions import BasePermission

    @namespace("/")
    class BareConsumer(SocketIOConsumer):
        permission_classes = (BasePermission,)

        @event
        async def who(self) -> list[Any]:
            session = self.scope["session"]
            return [self.user.is_authenticated, self.user.username, session.get("anything")]

    globals()["application"] = application
    return application
