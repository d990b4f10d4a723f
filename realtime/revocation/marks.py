"""Digests by which a socket's session is recognised when its rights may have changed. Pure."""

import hashlib
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY

Marks = dict[str, str]


def marks(session: Any) -> Marks:
    """Digests of a session's key and of the password that it was begun with; they open nothing."""
    if session is None or not session.session_key:
        return {}
    found = {"session": digest(session.session_key)}
    if HASH_SESSION_KEY in session:
        found["password"] = digest(session[HASH_SESSION_KEY])
    return found


def digest(secret: str) -> str:
    return hashlib.blake2b(secret.encode(), digest_size=16).hexdigest()


def is_revoked(found: Marks, rooms: set[str], body: dict[str, Any]) -> bool:
    """Whether news of a session that ended, or of a user that changed, concerns a socket.

    `body` has the digest of a `session`, or the `room` of a user with the digest of the `password`,
    None where nobody may log in with it any more.
    """
    if "session" in body:
        return bool(found.get("session") == body["session"])
    if body["room"] not in rooms:
        return False
    password: str | None = body["password"]
    # Who joined without a session, with a token for instance, has no password to compare.
    return password is None or found.get("password", password) != password
