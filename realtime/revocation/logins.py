"""Users who log out, change their password, or may no longer log in: their sockets are rechecked.

A socket keeps the rights that it had when it joined. So when they may have changed, its connection
is closed: the stock client reconnects by itself, and Django's session and user are looked up again.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save

from ..exceptions import EmitError
from ..metrics.counters import count
from ..node import current, rooms
from .marks import digest

logger = logging.getLogger("realtime.revocation")

#: Fields of a user on which a session depends. Saving others only, as a login does with
#: `last_login`, changes no rights.
FIELDS = {"password", "is_active"}


def connect() -> None:
    """Begin to listen to Django's signals."""
    user_logged_out.connect(_logged_out, dispatch_uid="realtime.revocation")
    user = get_user_model()
    post_save.connect(_saved, sender=user, dispatch_uid="realtime.revocation")
    post_delete.connect(_deleted, sender=user, dispatch_uid="realtime.revocation")


def _logged_out(*, request: Any, user: Any, **kwargs: Any) -> None:
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key is not None:
        _revoke({"session": digest(key)})


def _saved(
    *, instance: AbstractBaseUser, created: bool, using: str, update_fields: Any, **kwargs: Any
) -> None:
    if created or (update_fields is not None and not FIELDS & set(update_fields)):
        return
    body = {"room": rooms.of_instance(instance), "password": None}
    if instance.is_active:
        body["password"] = digest(instance.get_session_auth_hash())
    _after_commit(lambda: _revoke(body), using)


def _deleted(*, instance: Model, using: str, **kwargs: Any) -> None:
    body = {"room": rooms.of_instance(instance), "password": None}
    _after_commit(lambda: _revoke(body), using)


def _after_commit(work: Callable[[], None], using: str) -> None:
    transaction.on_commit(work, using=using, robust=True)


def _revoke(body: dict[str, Any]) -> None:
    try:
        node = current.current()
    except EmitError:
        return  # there is no server that could be reached from here, and so no socket
    try:
        current.run(lambda _: node.bus.tell_all("revoke", body), "revoke")
    except EmitError as error:
        count("revocations.failed")
        logger.error(
            "the other processes could not be told that a user's rights changed: %s. Sockets of"
            " that user may still be open there.",
            error,
        )
