"""Checks of authentication classes: those of the settings, and those of consumers."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from ..authentication.base import BaseAuthentication
from ..authentication.identity import import_class
from ..conf import settings
from ..routing import registered


def check_authentication() -> list[CheckMessage]:
    classes: dict[type[BaseAuthentication], None] = {}
    messages: list[CheckMessage] = []
    for name in _named():
        try:
            classes[import_class(name)] = None
        except ImproperlyConfigured as error:
            messages.append(
                Error(
                    f"{error}.",
                    hint="Choose a class from realtime.authentication, or write a subclass of its"
                    " BaseAuthentication.",
                    id="realtime.E031",
                )
            )
    for found in classes:
        messages += found.check()
    return messages


def _named() -> Iterator[Any]:
    yield from settings.AUTHENTICATION_CLASSES
    for _, consumer in registered():
        for made in consumer.authentication_classes or ():
            if isinstance(made, type):  # anything else makes instances as it likes
                yield made
