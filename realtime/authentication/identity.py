"""Who a client is, and as whom it is logged in: what all its authentication classes came to."""

import functools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.utils import timezone
from django.utils.module_loading import import_string

from ..aio.calls import run
from ..conf import settings
from ..exceptions import AuthenticationFailed
from ..revocation import users
from ..revocation.login import Login
from .base import BaseAuthentication, Credential
from .session import SessionAuthentication
from .tokens import TokenAuthentication, find_token, invalid_token

#: How the admin calls a user whom the project's own code told of.
BY_MIDDLEWARE, BY_CONSUMER = "middleware", "consumer"

Expiry = datetime | timedelta | float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A user, and what says so. The user may be AnonymousUser."""

    user: Any
    #: What was shown, and the class that it was shown to; None where there is none.
    credential: Any = None
    by: type[BaseAuthentication] | None = None
    #: In a word or two, for the admin.
    how: str = ""

    def replaced(self, user: Any) -> "Identity":
        """The same with another object for the user; as good as told by `log_in` if it is no row of
        the same one.
        """
        return replace(self, user=user) if users.is_same(user, self.user) else declared(user)

    def login(self, session: Any) -> Login | None:
        """As whom the client is logged in, for revocation; None for nobody."""
        is_by_session = self.by is not None and issubclass(self.by, SessionAuthentication)
        if is_by_session or self.how == BY_MIDDLEWARE:
            found = users.login_of(self.user, session)
            return None if found is None else replace(found, how=self.how)
        found = users.login_of(self.user, None)
        if found is None:
            return None
        shown = self.credential if isinstance(self.credential, Credential) else Credential()
        return replace(
            found,
            how=self.how,
            by=self.by,
            credential=shown,
            expires=shown.expires,
            session=shown.digest,
            backend=shown.backend,
            password=None if found.user_id is None else users.password_of(self.user),
        )


async def authenticate(
    scope: dict[str, Any], authenticators: Sequence[BaseAuthentication]
) -> Identity:
    """Who the client with this scope is. May be asked again, and changes nothing but the session.

    Raises AuthenticationFailed.
    """
    given = scope.get("user")
    if users.is_known(given) and not users.is_of_session(given, scope.get("session")):
        return Identity(user=given, how=BY_MIDDLEWARE)
    for authenticator in authenticators:
        found = await _ask(authenticator, scope)
        if found is not None:
            user, credential = found
            by = type(authenticator)
            return Identity(user=user, credential=credential, by=by, how=by.name or by.__name__)
    if any(isinstance(one, TokenAuthentication) for one in authenticators) and find_token(scope):
        raise invalid_token()  # of a shape that no class takes for its own
    # What a middleware put there may be no model instance; but the user of a session that no class
    # looks at is nobody here.
    return Identity(user=users.nobody() if given is None or users.is_known(given) else given)


async def _ask(authenticator: BaseAuthentication, scope: dict[str, Any]) -> Any:
    try:
        return await run(authenticator.authenticate, scope)
    except AuthenticationFailed as failure:
        failure.by = type(authenticator).__name__
        raise


def declared(user: Any, expires: Expiry = None) -> Identity:
    """Who a consumer itself says that its client is."""
    if user is None or getattr(user, "is_anonymous", False) is True:
        return Identity(user=users.nobody() if user is None else user)
    if not isinstance(user, Model):
        raise TypeError(
            "a client can be logged in as a saved user, or as AnonymousUser or None for nobody,"
            f" but not as {type(user).__name__}. Keep anything else in self.data."
        )
    credential = Credential(expires=_seconds(expires))
    return Identity(user=user, credential=credential, how=BY_CONSUMER)


def _seconds(expires: Expiry) -> float | None:
    """Since the epoch; a number is that already."""
    if expires is None or isinstance(expires, int | float):
        return expires
    if isinstance(expires, timedelta):
        return time.time() + expires.total_seconds()
    if timezone.is_naive(expires):
        expires = timezone.make_aware(expires)
    return expires.timestamp()


# Which classes


def default_classes() -> Sequence[type[BaseAuthentication]]:
    """Those that `REALTIME["AUTHENTICATION_CLASSES"]` names. Raises ImproperlyConfigured."""
    return _imported(tuple(settings.AUTHENTICATION_CLASSES))


@functools.lru_cache
def _imported(names: Iterable[Any]) -> Sequence[type[BaseAuthentication]]:
    return tuple(map(import_class, names))


def check_classes(classes: Any, owner: str) -> None:
    """Raise TypeError for `authentication_classes` of a consumer that can make no instances."""
    if classes is None:  # those of the setting
        return
    # A tuple of one that lacks its comma is the class itself.
    if isinstance(classes, str | type) or not isinstance(classes, Iterable):
        raise TypeError(
            f"{owner}: authentication_classes must be a list of classes, such as"
            f" [SessionAuthentication], not {classes!r}"
        )
    for each in classes:
        if not callable(each):
            raise TypeError(f"{owner}: authentication_classes takes classes, not {each!r}")


def import_class(name: Any) -> type[BaseAuthentication]:
    """An authentication class by its name, or as it is. Raises ImproperlyConfigured."""
    try:
        found = import_string(name) if isinstance(name, str) else name
    except ImportError as error:
        raise ImproperlyConfigured(
            f'REALTIME["AUTHENTICATION_CLASSES"]: {name!r} can\'t be imported: {error}'
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseAuthentication)):
        raise ImproperlyConfigured(
            f'REALTIME["AUTHENTICATION_CLASSES"]: {name!r} is not a subclass of'
            " realtime.authentication.BaseAuthentication"
        )
    return found
