"""Tokens that the site signs itself, for pages and clients that send no session cookie."""

import time
from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model, load_backend
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from ..conf import settings
from ..revocation import users
from ..revocation.login import digest
from .base import Credential
from .tokens import TokenAuthentication, expired_token, invalid_token

SALT = "realtime.authentication"
#: With what they begin, so that they are told from other tokens.
PREFIX = "rt1."


def make_token(
    user: Any, *, age: float | timedelta | None = None, backend: str | None = None
) -> str:
    """Return a token with which a client authenticates as `user`, for SignedTokenAuthentication.

    It is valid for `age` seconds (or a timedelta), by default `REALTIME["TOKEN_AGE"]`. It ends
    earlier if the user's password changes or the user is deactivated. `backend` is the path of the
    authentication backend that is asked whether the user may still log in. Raises ValueError for
    a user who could not connect with it: anonymous, unsaved, or one who may not log in.
    """
    if not users.is_user(user):
        raise ValueError("a token needs a saved user of AUTH_USER_MODEL")
    refusal = _refusal(user, backend)
    if refusal is not None:
        raise ValueError(f"a client could not connect with this token: {refusal}")
    if isinstance(age, timedelta):
        age = age.total_seconds()
    expires = time.time() + (settings.TOKEN_AGE if age is None else age)
    content = {
        # Not the user's own _meta: a child model may have a key of its own.
        "user": get_user_model()._meta.pk.value_to_string(user),
        "expires": int(expires),
        "password": users.password_of(user),
        "backend": backend,
    }
    return PREFIX + signing.Signer(salt=SALT).sign_object(content, compress=False)


def token_for(request: HttpRequest) -> str:
    """A token for the user of a request, "" for one who could not connect with it."""
    user = request.user
    session: Any = getattr(request, "session", {})
    backend = session.get(BACKEND_SESSION_KEY)
    if not users.is_user(user) or _refusal(user, backend) is not None:
        return ""
    return make_token(user, backend=backend)


class SignedTokenAuthentication(TokenAuthentication):
    """Authenticates by a token of `make_token`, `token_view` or `{% realtime_token %}`."""

    name = "signed token"

    def is_mine(self, token: str) -> bool:
        return token.startswith(PREFIX)

    def authenticate_token(self, token: str) -> tuple[Any, Credential]:
        content = _read(token)
        if content["expires"] <= time.time():
            raise expired_token()
        user = _user(content["user"], content["backend"])
        if user is None or not _has_password(user, content["password"]):
            raise invalid_token()
        return user, Credential(expires=content["expires"], backend=content["backend"])


def _read(token: str) -> dict[str, Any]:
    """What was signed, by this site's keys, those of SECRET_KEY_FALLBACKS too."""
    try:
        content: dict[str, Any] = signing.Signer(salt=SALT).unsign_object(
            token.removeprefix(PREFIX)
        )
    except signing.BadSignature:
        raise invalid_token() from None
    return content


def _user(key: str, backend: str | None) -> Any:
    """The user, if the backend still lets them in."""
    model = get_user_model()
    try:
        user_id = model._meta.pk.to_python(key)
    except ValidationError:  # AUTH_USER_MODEL was another one
        return None
    if backend is None:
        user = model._default_manager.filter(pk=user_id).first()
        return user if getattr(user, "is_active", True) else None
    if backend not in django_settings.AUTHENTICATION_BACKENDS:
        return None
    return load_backend(backend).get_user(user_id)


def _refusal(user: Any, backend: str | None) -> str | None:
    """Why `_user` would find nobody, and what to do; None if it finds the user."""
    if backend is None:
        if getattr(user, "is_active", True):
            return None
        return (
            f"{user} is inactive. Activate the user, or pass the backend= that lets inactive users"
            " log in"
        )
    if backend not in django_settings.AUTHENTICATION_BACKENDS:
        return f"{backend} is not in AUTHENTICATION_BACKENDS. Pass one that is"
    lets_in = getattr(load_backend(backend), "user_can_authenticate", None)
    if lets_in is None or lets_in(user):
        return None
    return f"{backend} does not let {user} log in. Activate the user, or pass another backend="


def _has_password(user: Any, password: str | None) -> bool:
    """Whether the token was made for the password that the user has now."""
    if not hasattr(user, "get_session_auth_hash"):
        return True
    return password in [digest(found) for found in users.hashes(user)]
