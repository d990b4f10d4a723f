"""@namespace and the router."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from realtime import SocketIOConsumer, namespace, routing
from realtime.engine import refusals
from realtime.node import emissions
from realtime.server.unserved import Unserved


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


@pytest.mark.parametrize(
    ("name", "served", "said"),
    [
        ("/list", ["/", "/lists"], ": did you mean '/lists'?"),
        ("/list", [], "nor any other: no consumer is registered"),
        (
            "/list",
            ["/a", "/b", "/c", "/d", "/e", "/f"],
            "Served: '/a', '/b', '/c', '/d', '/e', ...",
        ),
    ],
)
def test_an_emit_to_a_namespace_that_nothing_serves_is_said_once(
    name: str, served: list[str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    unserved = Unserved(served.__contains__)
    unserved.served = lambda: served
    for asked in [name, name, *served]:
        unserved.notice(emissions.encode("done", (), namespace=asked, to=None))
    (message,) = caplog.messages
    assert f"'done' was emitted to the namespace {name!r}, which nothing serves" in message
    assert said in message


def test_what_was_meant_is_sought_only_for_a_line_that_is_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusals.forget()
    sought: list[int] = []
    for n in range(50):
        refusals.say(
            logging.getLogger("realtime"), "tests", "::1", lambda n=n: str(sought.append(n))
        )
    assert sought == [0] and len(caplog.messages) == 1


def test_routes_of_the_project_are_not_those_of_realtime_itself() -> None:
    routes = routing.routes_of_project()
    assert {"/", "/chat"} <= set(routes)
    assert "/realtime/admin" in {route for route, _ in routing.registered()} - set(routes)
