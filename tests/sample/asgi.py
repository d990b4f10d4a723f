import os

from realtime.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.sample.settings")
application = get_asgi_application()
