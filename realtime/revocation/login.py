"""As whom a client is logged in, and whether news of ended logins concern it. Pure."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

#: What one process tells the others of a login that may have ended, in plain values. `cause` is one
#: of CAUSES, and there is either
#: `session`, the digest of the key of a session that ended, or of a token that did, or
#: `room`, the room of a user, with one of
#:     `passwords`, the digests with which a session of the user still holds: none if nobody may
#:     log in as the user any more, or
#:     `look`: True, which says no more than that the user has to be looked up again.
#: A notice with `recheck` instead is none of a login: see rules/news.py.
Notice = dict[str, Any]

#: Why logins end; labels of a metric, and words of the log.
CAUSES = ("log-out", "session", "user", "token", "expiry", "look")


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """As whom a client is logged in, from the moment that its user is known."""

    #: The room of the user.
    room: str
    #: The user's primary key; None for who can't be looked up: a user of another model than
    #: AUTH_USER_MODEL, or one that is not in the database.
    user_id: Any
    #: The session's key, and the rest of what the session says; None for who is known otherwise,
    #: by a token for instance.
    session_key: str | None = field(default=None, repr=False)
    backend: str | None = None
    #: Digests of the session's key, or the token, and of the hash of the password with which it was
    #: begun. They open nothing.
    session: str | None = None
    password: str | None = None
    #: When it is over by itself, in seconds since the epoch; None for never, and for a session.
    expires: float | None = None
    #: What says who the client is, for people: "session", "JSON Web Token".
    how: str = ""
    #: What was shown instead of a session, and the authentication class to ask whether it still
    #: holds.
    credential: Any = field(default=None, repr=False)
    by: Any = None

    def __hash__(self) -> int:
        return hash((self.room, self.session))


def digest(secret: str) -> str:
    return hashlib.blake2b(secret.encode(errors="replace"), digest_size=16).hexdigest()


def is_other(notice: Notice) -> bool:
    """Whether a notice is about something else than a login."""
    return "recheck" in notice


def ends(login: Login, notice: Notice) -> bool:
    """Whether a notice says that this login is over; not what has to be looked up first."""
    if "session" in notice:
        return bool(login.session == notice["session"])
    if login.room != notice["room"] or notice.get("look", False):
        return False
    # Who is known by a middleware has no password to compare.
    passwords = notice["passwords"]
    return not passwords or (login.password is not None and login.password not in passwords)
