"""The shopping list's application."""

from realtime.asgi import get_asgi_application

application = get_asgi_application()
