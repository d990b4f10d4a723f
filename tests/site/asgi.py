import os

from realtime.asgi import get_asgi_application, get_server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")
application = get_asgi_application()

from tests.site.migrated import register  # noqa: E402 - Django has to be set up first

register(get_server())

if "LIVE_SPANS" in os.environ:
    from tests.site.spans import write_spans

    write_spans(os.environ["LIVE_SPANS"])
