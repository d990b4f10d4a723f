"""What an authentication class is: the contract, and what it says of a client."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.core.checks import CheckMessage

from ..aio.calls import async_or_not


@dataclass(frozen=True, kw_only=True, eq=False)
class Credential:
    """What a client showed to say who it is, as far as it matters later; not the secret itself.

    `expires` is in seconds since the epoch, None for never: then the client's connection is closed.
    `claims` is what a token says, for consumers to read as `self.credential.claims`.
    """

    expires: float | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    #: The digest by which the end of this very credential is told to all processes.
    digest: str | None = None
    #: The backend of AUTHENTICATION_BACKENDS that let the user in; None for none.
    backend: str | None = None
    #: For the class that made it, to find the credential again; may be secret.
    key: Any = field(default=None, repr=False)


#: What `authenticate` returns: None for "not for me to say", or the user and the credential.
Found = tuple[Any, Credential | None] | None


class BaseAuthentication:
    """Says who a client is; for a consumer's `authentication_classes`.

    The contract is that of Django REST framework's classes, with a scope in the place of a request.
    """

    #: What the admin calls this way of authentication.
    name: ClassVar[str] = ""

    @async_or_not
    async def authenticate(self, scope: dict[str, Any]) -> Found:
        """The user and a Credential or None; None alone to let the next class try.

        Raises AuthenticationFailed to refuse the client. `scope` has `auth`, `headers` and
        `query_string`. May be a plain `def`, which runs in a worker thread.
        """
        return None

    @classmethod
    def still_valid(cls, credentials: Collection[Credential]) -> Collection[Credential]:
        """Those of the credentials that still hold; asked in a worker thread, now and again.

        Neither the user nor `expires` is to be looked at here: that is done for every class.
        """
        return credentials

    @classmethod
    def check(cls) -> list[CheckMessage]:
        """What `manage.py check` has to say of a project that uses this class."""
        return []
