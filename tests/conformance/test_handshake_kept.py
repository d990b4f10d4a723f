"""What is kept of a handshake for as long as its websocket lives."""

from typing import Any

import pytest

from realtime.engine.transports import daphne
from tests.fuzz.websockets import KINDS, Websocket, frame

BROWSER = (
    b"user-agent: Mozilla/5.0 (a browser)\r\naccept-encoding: gzip, br\r\n"
    b"cookie: sessionid=secret\r\nx-token: secret\r\n"
    b"sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n"
)


async def opened(kind: str, **options: Any) -> Websocket:
    websocket = Websocket(kind, **options)
    await websocket.open()
    return websocket


@pytest.mark.parametrize("kind", KINDS)
async def test_headers_that_clients_have_in_common_are_kept_once(kind: str) -> None:
    first, second = [await opened(kind, headers=BROWSER) for _ in range(2)]
    headers = [dict(each.connection.scope["headers"]) for each in (first, second)]
    assert headers[0] == headers[1]
    for name in (b"user-agent", b"accept-encoding"):
        assert headers[0][name] is headers[1][name]
    for name in (b"cookie", b"x-token"):
        assert headers[0][name] is not headers[1][name]


async def test_the_servers_own_copies_of_the_request_are_dropped() -> None:
    websockets = await opened("websockets", headers=BROWSER)
    assert not websockets.protocol.request.headers
    assert not websockets.protocol.response.headers
    autobahn = await opened("daphne", headers=BROWSER)
    assert not autobahn.protocol.http_headers and not autobahn.protocol.request.headers
    assert not autobahn.protocol.websocket_extensions and not autobahn.protocol.request.extensions
    assert not autobahn.protocol.http_request_params and not autobahn.protocol.request.params
    for websocket in (websockets, autobahn):
        assert dict(websocket.connection.scope["headers"])[b"user-agent"].startswith(b"Mozilla")
        websocket.feed(frame(0x81, b"4hello") + frame(0x89, b"?"))
        await websocket.close()
        assert websocket.sink.heard == ["hello", ("closed", "transport close")]


async def test_daphne_has_one_scope_for_a_websocket() -> None:
    scopes = []

    def wrapped(engine: Any) -> Any:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            await engine(scope, receive, send)

        return application

    websocket = await opened("daphne", wrapped=wrapped)
    assert websocket.connection.scope is scopes[0]
    assert scopes[0]["scheme"] == "ws"


async def test_daphnes_queue_is_emptied_where_nobody_else_waits_at_it() -> None:
    queues = []

    def wrapped(engine: Any) -> Any:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            queues.append(receive.__self__)
            await engine(scope, receive, send)

        return application

    websocket = await opened("daphne", wrapped=wrapped)
    assert not vars(queues[0])
    await websocket.close()
    assert websocket.sink.heard == [("closed", "transport close")]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_middleware_that_wraps_receive_sees_the_end(kind: str) -> None:
    seen = []

    def wrapped(engine: Any) -> Any:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            async def watched() -> Any:
                seen.append(await receive())
                return seen[-1]

            await engine(scope, watched, send)

        return application

    websocket = await opened(kind, wrapped=wrapped)
    websocket.feed(frame(0x81, b"4hello"))
    await websocket.close()
    assert websocket.sink.heard == ["hello", ("closed", "transport close")]
    assert [event["type"] for event in seen] == ["websocket.connect", "websocket.disconnect"]


def test_a_scope_that_names_its_scheme_keeps_it() -> None:
    scope = {"scheme": "wss"}
    assert daphne.with_scheme(scope, print) == {"scheme": "wss"}
