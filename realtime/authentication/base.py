"""What an authentication class is: the contract, and what it says of a client."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.core.checks import CheckMessage

from ..aio.calls import async_or_not


@dataclass(frozen=True, kw_only=True, eq=False)
class Credential:
    """What an authentication class knows about how a client logged in. It does not hold the secret.

    `expires` is in seconds since the epoch. The connection is closed then; None means never.
    `claims` is the content of a token. Consumers read it as `self.credential.claims`.
    """

    expires: float | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    #: A digest that identifies this credential when its end is announced to all processes.
    digest: str | None = None
    #: The path of the authentication backend that the user logged in with, or None.
    backend: str | None = None
    #: For private use by the class that made the credential. It may be secret.
    key: Any = field(default=None, repr=False)


#: What `authenticate` returns: None for "not for me to say", or the user and the credential.
Found = tuple[Any, Credential | None] | None


class BaseAuthentication:
    """Finds the user of a client, for the `authentication_classes` of a consumer.

    It works like the classes of Django REST framework, with an ASGI scope instead of a request.
    """

    #: The name of this authentication in the admin.
    name: ClassVar[str] = ""

    @async_or_not
    async def authenticate(self, scope: dict[str, Any]) -> Found:
        """Return the user and a Credential or None, or just None to let the next class try.

        `scope` has `auth` (the client's `auth` option), `headers` and `query_string`. Raise
        AuthenticationFailed to refuse the client. A plain `def` runs in a worker thread.
        """
        return None

    @classmethod
    def still_valid(cls, credentials: Collection[Credential]) -> Collection[Credential]:
        """Return the credentials that are still valid.

        Called in a worker thread, once in each `LOGIN_CHECK_INTERVAL`. The user and `expires` are
        checked for all classes, so you don't have to check them here.
        """
        return credentials

    @classmethod
    def check(cls) -> list[CheckMessage]:
        """Return messages of `manage.py check` for projects that use this class."""
        return []
