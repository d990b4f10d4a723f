"""The request in hand, for code that is not given it: signal receivers, what models announce."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase

_NAME = f"{__name__}.ActingPageMiddleware"

_request: ContextVar[HttpRequest | None] = ContextVar("realtime_request", default=None)


class ActingPageMiddleware:
    """Lets `acting_page()` know which request is being handled."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = bool(iscoroutinefunction(get_response))
        if self._is_async:
            markcoroutinefunction(self)  # Django looks for it on the middleware, too

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._acall(request)
        token = _request.set(request)
        try:
            response: HttpResponseBase = self._get_response(request)
            return response
        finally:
            _request.reset(token)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        token = _request.set(request)
        try:
            response: HttpResponseBase = await self._get_response(request)
            return response
        finally:
            _request.reset(token)


def acting_page(instance: Any = None) -> HttpRequest | None:
    """What `skip=` takes to leave out the page whose request is being handled; None outside of one.

    In receivers `emit(..., skip=acting_page())`, in declarations `announce_changes(...,
    skip=acting_page)`. Needs ActingPageMiddleware in MIDDLEWARE.
    """
    if _NAME not in settings.MIDDLEWARE:
        raise ImproperlyConfigured(f"acting_page() needs {_NAME!r} in MIDDLEWARE")
    return _request.get()
