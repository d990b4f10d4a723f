"""Makes the database that DATABASE names, with a user who is logged in, and says the session's key.

python -m tests.bench.peers.login
"""

from importlib import import_module

import django
from django.conf import settings
from django.core.management import call_command

USER = "ada"


def main() -> str:
    django.setup(set_prefix=False)
    call_command("migrate", verbosity=0)
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User

    user = User.objects.create_user(USER, password=None)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


if __name__ == "__main__":
    print(main())
