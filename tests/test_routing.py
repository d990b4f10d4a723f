"""@namespace and the router."""

from collections.abc import Iterator
from typing import Any

import pytest

from realtime import SocketIOConsumer, namespace, routing


@pytest.fixture(autouse=True)
def own_routes() -> Iterator[None]:
    kept = list(routing._routes)
    yield
    routing._routes[:] = kept


def test_namespaces_of_installed_apps_are_registered() -> None:
    assert {"/", "/chat"} <= {route for route, _ in routing.registered()}


def test_route_has_djangos_converters() -> None:
    @namespace("/orders/<int:pk>")
    class Orders(SocketIOConsumer):
        pass

    assert routing.serves("/orders/5")
    for name in ("/orders", "/orders/x", "/orders/5/", "/order", "/nope"):
        assert not routing.serves(name)


async def test_router_hands_over_what_the_converters_found() -> None:
    seen: list[Any] = []

    @namespace("/teams/<slug:team>/<int:year>")
    class Teams(SocketIOConsumer):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            self.scope = scope
            seen.append(self.kwargs)

    router = routing.NamespaceRouter()
    await router({"type": "socketio", "path": "/teams/red/2026"}, None, None)
    assert seen == [{"team": "red", "year": 2026}]


def test_second_consumer_for_a_route_is_refused() -> None:
    @namespace("/once")
    class Once(SocketIOConsumer):
        pass

    with pytest.raises(ValueError, match="already has a consumer"):

        @namespace("/once")
        class Twice(SocketIOConsumer):
            pass


def test_route_without_slash_is_refused() -> None:
    with pytest.raises(ValueError, match='must begin with "/"'):
        namespace("chat")


def test_only_consumers_are_registered() -> None:
    with pytest.raises(TypeError, match="SocketIOConsumer"):
        namespace("/x")(object)  # type: ignore[type-var]
