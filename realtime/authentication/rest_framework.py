"""The tokens of Django REST framework, the rows of `rest_framework.authtoken`."""

from collections.abc import Collection
from typing import Any, ClassVar

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.db.models.signals import post_delete

from ..revocation.login import digest
from ..revocation.logins import after_commit
from .base import Credential
from .tokens import TokenAuthentication, invalid_token

UID = "realtime.authentication.rest_framework"


class RestFrameworkTokenAuthentication(TokenAuthentication):
    """Authenticates by a token of Django REST framework. Deleting the token closes its sockets."""

    name = "REST framework token"
    #: The label of a model with the fields `key` and `user`.
    model: ClassVar[str] = "authtoken.Token"

    def authenticate_token(self, token: str) -> tuple[Any, Credential]:
        if "\x00" in token:  # PostgreSQL takes it for an error
            raise invalid_token()
        rows = self._rows().select_related("user")
        row: Any = rows.filter(key=token).first()
        if row is None or not row.user.is_active:
            raise invalid_token()
        return row.user, Credential(digest=_digest(row), key=(token, row.user_id))

    @classmethod
    def still_valid(cls, credentials: Collection[Credential]) -> Collection[Credential]:
        keys = {credential.key[0] for credential in credentials}
        rows = set(cls._rows().filter(key__in=keys).values_list("key", "user_id"))
        return [credential for credential in credentials if credential.key in rows]

    @classmethod
    def check(cls) -> list[CheckMessage]:
        try:
            cls.get_model()
        except ImproperlyConfigured as error:
            return [
                Error(
                    str(error),
                    hint='Run `pip install djangorestframework`, add "rest_framework.authtoken"'
                    " to INSTALLED_APPS, and run `manage.py migrate`.",
                    id="realtime.E032",
                )
            ]
        return []

    @classmethod
    def get_model(cls) -> type[Model]:
        try:
            return apps.get_model(cls.model)
        except (LookupError, ValueError):
            raise ImproperlyConfigured(
                f"{cls.__name__} needs the model {cls.model!r}, whose app is not in INSTALLED_APPS."
            ) from None

    @classmethod
    def _rows(cls) -> Any:
        return cls.get_model()._default_manager


def _digest(row: Any) -> str:
    return digest(f"{row._meta.concrete_model._meta.label_lower}:{row.key}")


def connect(model: str = RestFrameworkTokenAuthentication.model) -> None:
    """Begin to hear of tokens that are deleted, wherever there are such."""
    try:
        token = apps.get_model(model)
    except LookupError:
        return
    for found in apps.get_models():
        if issubclass(found, token):  # REST framework's admin deletes through a proxy
            post_delete.connect(_deleted, sender=found, dispatch_uid=UID)


def _deleted(*, instance: Any, using: str, **kwargs: Any) -> None:
    after_commit({"session": _digest(instance), "cause": "token"}, using)
