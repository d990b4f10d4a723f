import os

from realtime.asgi import get_asgi_application, get_server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")
# Handed on when it is asked for: Django has to be set up before it is imported.
application = get_asgi_application(websocket=lambda *asgi: groups.websocket(*asgi))

from tests.site import groups  # noqa: E402
from tests.site.migrated import register  # noqa: E402

register(get_server())
get_server().register_namespace(groups.OrderNamespace("/orders/classic"))

if "LIVE_SPANS" in os.environ:
    from tests.site.spans import write_spans

    write_spans(os.environ["LIVE_SPANS"])
