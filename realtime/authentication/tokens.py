"""Tokens: where a client may put one, and the base of the classes that read them."""

from abc import abstractmethod
from typing import Any, ClassVar
from urllib.parse import parse_qs

from ..aio.calls import run
from ..conf import settings
from ..exceptions import AuthenticationFailed
from .base import BaseAuthentication, Credential, Found

#: The name of a token in the client's `auth` option, and in the query string.
NAME = "token"
#: Schemes of the header `Authorization` behind which a token stands.
SCHEMES = ("bearer", "token")
#: No token is longer: that of an identity provider may have some kilobytes.
MAX_LENGTH = 16_000

INVALID = "invalid_token"
EXPIRED = "token_expired"


def invalid_token() -> AuthenticationFailed:
    """One answer, whatever is wrong: it tells nobody how close they came."""
    return AuthenticationFailed("Invalid token.", INVALID)


def expired_token() -> AuthenticationFailed:
    return AuthenticationFailed("This token has expired.", EXPIRED)


def find_token(scope: dict[str, Any]) -> str | None:
    """The token that a client brought, in the first of `REALTIME["TOKEN_SOURCES"]` that has one.

    Raises AuthenticationFailed for what can be none.
    """
    for source in settings.TOKEN_SOURCES:
        found = _FINDERS[source](scope)
        if found is None or found == "":
            continue
        if not isinstance(found, str) or len(found) > MAX_LENGTH:
            raise invalid_token()
        return found
    return None


def _in_auth(scope: dict[str, Any]) -> Any:
    auth = scope.get("auth")
    found = auth.get(NAME) if isinstance(auth, dict) else None
    # Some clients write what they know from the header.
    return _behind_scheme(found) or found if isinstance(found, str) else found


def _in_header(scope: dict[str, Any]) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return _behind_scheme(value.decode("latin1"))
    return None


def _in_query(scope: dict[str, Any]) -> str | None:
    query: bytes = scope.get("query_string", b"")
    found = parse_qs(query.decode("latin1")).get(NAME)
    return found[0] if found else None


def _behind_scheme(text: str) -> str | None:
    scheme, _, token = text.strip().partition(" ")
    return token.strip() if scheme.lower() in SCHEMES else None


_FINDERS = {"auth": _in_auth, "header": _in_header, "query": _in_query}
SOURCES = tuple(_FINDERS)


class TokenAuthentication(BaseAuthentication):
    """The base of classes that authenticate by a token. Without one, the next class is asked."""

    name: ClassVar[str] = "token"

    async def authenticate(self, scope: dict[str, Any]) -> Found:
        token = find_token(scope)
        if token is None or not self.is_mine(token):
            return None
        user, credential = await run(self.authenticate_token, token)
        return user, credential

    def is_mine(self, token: str) -> bool:
        """Return whether this class decides about a token, judging by its form alone.

        Other tokens are left to the next class. A token that no class takes is refused.
        """
        return True

    @abstractmethod
    def authenticate_token(self, token: str) -> tuple[Any, Credential | None]:
        """Return the user of a token, and a Credential or None.

        Raise AuthenticationFailed to refuse the client. A plain `def` runs in a worker thread.
        """
