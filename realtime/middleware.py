"""Finds the page that is acting, for code without a request, such as signal receivers."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase

_NAME = f"{__name__}.ActingPageMiddleware"

#: The request that is being handled, or the sid of the socket whose event is.
Acting = HttpRequest | str | None
acting: ContextVar[Acting] = ContextVar("realtime_acting", default=None)


class ActingPageMiddleware:
    """Lets `acting_page()` find the request that is being handled."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = bool(iscoroutinefunction(get_response))
        if self._is_async:
            markcoroutinefunction(self)  # Django looks for it on the middleware, too

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._acall(request)
        token = acting.set(request)
        try:
            response: HttpResponseBase = self._get_response(request)
            return response
        finally:
            acting.reset(token)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        token = acting.set(request)
        try:
            response: HttpResponseBase = await self._get_response(request)
            return response
        finally:
            acting.reset(token)


def nobody_acts() -> None:
    """What this task does from here on was caused by nobody's request or event."""
    if acting.get() is not None:
        acting.set(None)


@contextmanager
def acting_as(actor: Acting) -> Iterator[None]:
    """Do what somebody caused earlier: the on-commit hooks of a test run after its requests."""
    token = acting.set(actor)
    try:
        yield
    finally:
        acting.reset(token)


def acting_page(instance: Any = None) -> Acting:
    """Return what `skip=` needs to leave out the page whose request or event is being handled.

    Pass it to `emit(..., skip=acting_page())` in receivers, and as `announce_changes(...,
    skip=acting_page)`. Outside of a request or event, it returns None. For requests it needs
    ActingPageMiddleware in MIDDLEWARE; without it, it raises ImproperlyConfigured.
    """
    actor = acting.get()
    if actor is None and _NAME not in settings.MIDDLEWARE:
        raise ImproperlyConfigured(f"acting_page() needs {_NAME!r} in MIDDLEWARE")
    return actor
