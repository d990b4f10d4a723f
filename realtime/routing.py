"""`@namespace` assigns consumers to Socket.IO namespaces, with Django's path converters."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from channels.routing import URLRouter
from django.urls import URLPattern, path
from django.utils.module_loading import autodiscover_modules

from .consumers.consumer import SocketIOConsumer
from .recovery import options

Consumer = TypeVar("Consumer", bound=type[SocketIOConsumer])

_routes: list[URLPattern] = []


def namespace(route: str) -> Callable[[Consumer], Consumer]:
    """Serve a namespace with the decorated consumer: `@namespace("/chat/<slug:team>")`.

    The route uses the syntax of Django's `path()`, with a leading slash. The values of its
    converters are in `self.kwargs`. "/" is the default namespace, to which `io()` connects. Raises
    ValueError for a route without the slash.
    """
    if not route.startswith("/"):
        raise ValueError(f'a namespace must begin with "/": {route!r}')

    def register(consumer: Consumer) -> Consumer:
        if not (isinstance(consumer, type) and issubclass(consumer, SocketIOConsumer)):
            raise TypeError(f"@namespace is for subclasses of SocketIOConsumer, not {consumer!r}")
        for served in _routes:
            if str(served.pattern) == route[1:] and not _is_reloaded(served, consumer):
                raise ValueError(
                    f"the namespace {route!r} already has a consumer:"
                    f" {_consumer_of(served).__qualname__}"
                )
        _routes[:] = [served for served in _routes if str(served.pattern) != route[1:]]
        _routes.append(path(route[1:], consumer.as_asgi()))
        options.forget()
        return consumer

    return register


def _consumer_of(route: URLPattern) -> type[SocketIOConsumer]:
    application: Any = route.callback
    consumer: type[SocketIOConsumer] = application.consumer_class
    return consumer


def _is_reloaded(served: URLPattern, consumer: type[SocketIOConsumer]) -> bool:
    """Whether `consumer` is the same class again, from a module that was reloaded."""
    old = _consumer_of(served)
    return (old.__module__, old.__qualname__) == (consumer.__module__, consumer.__qualname__)


def autodiscover() -> None:
    """Import the `consumers` module of every installed app, which registers its namespaces."""
    autodiscover_modules("consumers")


def serves(name: str) -> bool:
    """Return whether a registered route matches the namespace."""
    return route_of(name) is not None


def route_of(name: str) -> str | None:
    """Return the first registered route that matches a namespace, or None."""
    return _route_of(name, tuple(_routes))


@functools.lru_cache(maxsize=10_000)
def _route_of(name: str, routes: tuple[URLPattern, ...]) -> str | None:
    found = (route for route in routes if route.resolve(name[1:]) is not None)
    return next((f"/{route.pattern}" for route in found), None)


def consumer_of(name: str) -> type[SocketIOConsumer] | None:
    """The consumer that is registered for a namespace, by the first route that matches it."""
    found = (route for route in _routes if route.resolve(name[1:]) is not None)
    return next((_consumer_of(route) for route in found), None)


def _recovery_of(name: str) -> options.Said:
    """What the consumer of a namespace says of its recovery."""
    consumer = consumer_of(name)
    return None if consumer is None else consumer.recovery


options.declared.append(_recovery_of)


def registered() -> list[tuple[str, type[SocketIOConsumer]]]:
    """Return each route with its consumer, in the order in which they are tried."""
    return [(f"/{route.pattern}", _consumer_of(route)) for route in _routes]


def routes_of_project() -> list[str]:
    """Return the registered routes without those of realtime's own consumers."""
    own = f"{__package__}."
    return [route for route, consumer in registered() if not consumer.__module__.startswith(own)]


class NamespaceRouter(URLRouter):
    """A URLRouter of Channels for the registered routes, including routes registered later."""

    def __init__(self) -> None:
        super().__init__(_routes)

    #: For asgiref, which takes a plain method for an application of ASGI 2.
    _asgi_single_callable = True

    def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[Any]:
        """The application of the first route that matches."""
        # Channels' own is a coroutine, and makes a copy of the scope: both would stay for as long
        # as the socket, and each event would pass through the coroutine.
        name = scope["path"].lstrip("/")
        for route in self.routes:
            if match := route.pattern.match(name):
                rest, args, kwargs = match
                found = {"args": args, "kwargs": {**kwargs, **route.default_args}}
                scope["path_remaining"], scope["url_route"] = rest, found
                application: Awaitable[Any] = route.callback(scope, receive, send)
                return application
        raise ValueError(f"No route found for path {name!r}.")
