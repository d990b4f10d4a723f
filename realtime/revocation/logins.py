"""What Django's signals say of users who log out, change their password, or may log in no more.

A socket keeps the rights that it had when it joined. So when they may have changed, its connection
is closed: the stock client reconnects by itself, and Django's session and user are looked up again.
"""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from . import sessions, users
from .login import Notice, digest
from .telling import tell

UID = "realtime.revocation"
#: Fields of a user on which a session depends. Saving others only, as a login does with
#: `last_login`, changes no rights.
FIELDS = {"password", "is_active"}


def connect() -> None:
    """Begin to listen to Django's signals."""
    user_logged_out.connect(_logged_out, dispatch_uid=UID)
    user_logged_in.connect(_logged_in, dispatch_uid=UID)
    # Signals name the class that was saved: a proxy, or a model with the user's as its parent. They
    # are connected one by one, for a receiver for all senders would keep every model of the project
    # from being deleted by one query.
    user = get_user_model()
    for model in apps.get_models():
        if issubclass(model, user):
            post_save.connect(_saved, sender=model, dispatch_uid=UID)
            post_delete.connect(_deleted, sender=model, dispatch_uid=UID)
        elif issubclass(user, model) and model is not user:
            post_save.connect(_parent_saved, sender=model, dispatch_uid=UID)


def connect_sessions() -> None:
    """Begin to listen to the end of single sessions, in a process that serves.

    In no other: with a receiver Django reads each row that it deletes, and `clearsessions` may have
    very many. What others delete is found by the periodic look.
    """
    kept_in = sessions.model()
    for model in apps.get_models():
        if kept_in is not None and issubclass(model, kept_in):
            post_delete.connect(_session_deleted, sender=model, dispatch_uid=UID)


def _logged_out(*, request: Any, user: Any, **kwargs: Any) -> None:
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key is not None:
        tell({"session": digest(key), "cause": "log-out"})
    if users.is_known(user) and not sessions.have_a_store():
        # A session that is all in its cookie has no key that stays the same: all of the user's
        # sockets come anew, with the cookies that their browsers still have.
        tell({"room": users.room_of(users.key_of(user)), "passwords": [], "cause": "log-out"})


def _logged_in(*, request: Any, **kwargs: Any) -> None:
    """A session was put in the place of another, without a log-out."""
    cookies = getattr(request, "COOKIES", {})
    old = cookies.get(settings.SESSION_COOKIE_NAME)
    if old and old != getattr(getattr(request, "session", None), "session_key", old):
        tell({"session": digest(old), "cause": "session"})


def _saved(*, instance: Any, created: bool, using: str, update_fields: Any, **kwargs: Any) -> None:
    if created or (update_fields is not None and not FIELDS & set(update_fields)):
        return
    passwords = []
    if getattr(instance, "is_active", True):
        if not hasattr(instance, "get_session_auth_hash"):
            return
        passwords = [digest(found) for found in users.hashes(instance)]
    room = users.room_of(users.key_of(instance))
    after_commit({"room": room, "passwords": passwords, "cause": "user"}, using)


def _parent_saved(*, instance: Model, created: bool, using: str, **kwargs: Any) -> None:
    """The table that the users' own table continues: what it means for the user has to be read."""
    if not created:
        room = users.room_of(instance.pk)
        after_commit({"room": room, "look": True, "cause": "user"}, using)


def _deleted(*, instance: Model, using: str, **kwargs: Any) -> None:
    room = users.room_of(users.key_of(instance))
    after_commit({"room": room, "passwords": [], "cause": "user"}, using)


def _session_deleted(*, instance: Any, using: str, **kwargs: Any) -> None:
    if instance.expire_date > timezone.now():  # else it had ended before
        notice = {"session": digest(instance.session_key), "cause": "session"}
        after_commit(notice, using)


def after_commit(notice: Notice, using: str) -> None:
    """Tell all nodes once the transaction in which a login ended is committed."""
    transaction.on_commit(lambda: tell(notice), using=using, robust=True)
