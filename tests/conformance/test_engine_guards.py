"""The private names of the libraries that the wires touch: a release that moves one fails here."""

import asyncio
import inspect
import json
import sys
from asyncio import selector_events
from functools import partial
from types import SimpleNamespace
from typing import Any

import engineio
import pytest
import uvicorn
from autobahn.websocket import protocol as autobahn_protocol
from daphne import http_protocol, ws_protocol
from daphne.server import Server as DaphneServer
from twisted.internet import abstract, tcp
from twisted.web import _http2, http
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn.server import ServerState

from realtime.engine.transports import bodies, daphne, valve
from realtime.engine.transports import uvicorn as uvicorn_wire
from tests.conformance.raw import WebSocket
from tests.conformance.servers import Server


async def test_each_server_gets_its_own_wire(calm: Server) -> None:
    websocket = await WebSocket.session(calm.port)
    websocket.send("4!state")
    answer = await websocket.receive()
    assert isinstance(answer, str)
    expected = "DaphneWire" if calm.kind == "daphne" else "UvicornWire"
    assert json.loads(answer[1:])["wire"] == expected


async def application(scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize("protocol_class", [WSProtocol, WebSocketsSansIOProtocol])
async def test_uvicorn_keeps_the_names_of_its_protocols(protocol_class: type[Any]) -> None:
    config = uvicorn.Config(application)
    config.load()
    protocol = protocol_class(config, ServerState(), {})
    assert isinstance(protocol.queue, asyncio.Queue)
    assert isinstance(protocol.writable, asyncio.Event) and protocol.writable.is_set()
    assert protocol.read_paused is False
    assert protocol.close_sent is False
    assert protocol.handshake_complete is False
    assert protocol.transport is None
    assert uvicorn_wire.find_protocol(protocol.send) is protocol
    assert uvicorn_wire.find_protocol(partial(protocol.send)) is None
    known = [(cls.__module__, cls.__name__) for cls in (WSProtocol, WebSocketsSansIOProtocol)]
    assert set(known) == set(uvicorn_wire.IMPLEMENTATIONS)


@pytest.mark.parametrize("protocol_class", [WSProtocol, WebSocketsSansIOProtocol])
def test_uvicorn_pauses_reading_only_if_it_has_not_yet(protocol_class: type[Any]) -> None:
    source = inspect.getsource(protocol_class)
    assert "self.queue.put_nowait(" in source
    assert "if not self.read_paused:" in source
    assert "await self.writable.wait()" in source


def test_uvicorns_server_is_found_by_its_handler_of_sigterm() -> None:
    server = uvicorn.Server(uvicorn.Config(application, limit_max_requests=3))
    assert uvicorn_wire.RequestLimit.take() is None
    with server.capture_signals():
        limit = uvicorn_wire.RequestLimit.take()
        assert limit is not None and limit.requests == 3
        assert uvicorn_wire.RequestLimit.take() is None  # it is taken out of the configuration
    assert not limit.reached
    server.server_state.total_requests = 3
    assert limit.reached
    limit.end()
    assert server.should_exit


async def test_uvicorn_asks_for_its_limit_at_each_tick() -> None:
    server = uvicorn.Server(uvicorn.Config(application, limit_max_requests=3))
    server.server_state.total_requests = 3
    assert await server.on_tick(1)
    with server.capture_signals():
        assert uvicorn_wire.RequestLimit.take() is not None
    assert not await server.on_tick(1)


@pytest.mark.parametrize("limit", [None, sys.maxsize], ids=["none", "gunicorn's none"])
def test_uvicorn_without_a_limit_is_left_alone(limit: Any) -> None:
    server = uvicorn.Server(uvicorn.Config(application, limit_max_requests=limit))
    with server.capture_signals():
        assert uvicorn_wire.RequestLimit.take() is None
    assert server.config.limit_max_requests == limit


def test_the_size_of_a_read_is_an_attribute_of_the_transport() -> None:
    assert selector_events._SelectorSocketTransport.max_size == 256 * 1024
    source = inspect.getsource(selector_events._SelectorSocketTransport)
    assert "self._sock.recv(self.max_size)" in source


def test_daphne_keeps_the_names_of_its_protocol() -> None:
    protocol_class = ws_protocol.WebSocketProtocol
    assert {"state", "application_queue"} <= set(_attributes(protocol_class))
    assert "self.application_queue.put_nowait(" in inspect.getsource(protocol_class.onMessage)
    assert "partial(self.handle_reply, protocol)" in inspect.getsource(
        DaphneServer.create_application
    )
    assert isinstance(protocol_class.STATE_OPEN, int)
    # What http.discard() relies on.
    application = inspect.getsource(DaphneServer.create_application)
    assert "input_queue = asyncio.Queue()" in application
    assert "receive=input_queue.get" in application


def test_daphne_has_its_protocol_found_behind_send_and_nothing_else() -> None:
    protocol = ws_protocol.WebSocketProtocol()
    assert daphne.find_protocol(partial(DaphneServer.handle_reply, protocol)) is protocol
    assert daphne.find_protocol(partial(print, "a message")) is None
    assert daphne.find_protocol(print) is None


@pytest.mark.parametrize(("given", "found"), [(10, 10.0), (None, None), (0, None), (-1, None)])
def test_daphne_has_its_timeout_for_requests_found_behind_send(given: Any, found: Any) -> None:
    server = DaphneServer(application, endpoints=["tcp:0"], http_timeout=given)
    assert daphne.request_timeout(partial(server.handle_reply, object())) == found


def test_twisted_keeps_the_names_of_its_write_buffer() -> None:
    descriptor = abstract.FileDescriptor(reactor=object())  # type: ignore[arg-type]
    assert descriptor.dataBuffer == b""
    assert descriptor.offset == 0
    assert descriptor._tempDataBuffer == []
    assert descriptor._tempDataLen == 0
    assert tcp.Server.TLS is False
    for name in ("registerProducer", "unregisterProducer", "pauseProducing", "resumeProducing"):
        assert callable(getattr(tcp.Server, name))
    assert callable(tcp.Server.abortConnection)
    assert callable(tcp.Server.getHandle)


def test_twisted_hands_bodies_over_through_the_known_methods() -> None:
    for name in ("gotLength", "handleContentChunk", "requestReceived"):
        assert hasattr(http_protocol.WebRequest, name)
    assert "self._path = request" in inspect.getsource(http.HTTPChannel)
    assert "gotLength" in inspect.getsource(http.HTTPChannel.allHeadersReceived)
    daphne_request = inspect.getsource(http_protocol.WebRequest)
    assert "self.server = self.channel.factory.server" in daphne_request
    assert 'name.lower() == b"daphne-root-path"' in daphne_request
    assert "self.root_path = self.server.root_path" in daphne_request


def test_autobahn_looks_at_its_limits_for_each_frame() -> None:
    source = inspect.getsource(autobahn_protocol.WebSocketProtocol.onMessageFrameBegin)
    assert "self.maxFramePayloadSize" in source and "self.maxMessagePayloadSize" in source


def test_twisted_names_the_path_of_a_stream_over_http_2() -> None:
    source = inspect.getsource(_http2.H2Stream)
    assert "self.path = header[1]" in source
    assert "self.streamID = " in source
    assert "self._request.requestReceived(self.command, self.path, " in source


@pytest.mark.parametrize(
    "channel",
    [
        None,
        object(),
        SimpleNamespace(path=None),
        SimpleNamespace(_path=["no", "bytes"], path=5),
        SimpleNamespace(_path=b"/another/path"),
        SimpleNamespace(path=b"/another/path"),
    ],
    ids=["none", "unknown", "no path yet", "odd paths", "another path", "another stream"],
)
def test_requests_that_are_not_ours_pass_the_patched_methods_unchanged(channel: Any) -> None:
    class Request:
        def __init__(self) -> None:
            self.channel = channel
            self.calls: list[tuple[Any, ...]] = []

        def gotLength(self, length: int | None) -> None:  # noqa: N802
            self.calls.append(("length", length))

        def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
            self.calls.append(("chunk", data))

        def requestReceived(self, *line: bytes) -> None:  # noqa: N802
            self.calls.append(("received", *line))

    early = Request()  # from before the methods were replaced
    bodies._install(Request)
    request = Request()
    request.gotLength(10**9)
    for each in (request, early):
        each.handleContentChunk(b"x" * 10)
        each.requestReceived(b"POST", b"/", b"HTTP/9")
    rest = [("chunk", b"x" * 10), ("received", b"POST", b"/", b"HTTP/9")]
    assert request.calls == [("length", 10**9), *rest]
    assert early.calls == rest


@pytest.mark.parametrize(
    "send",
    [print, partial(print), partial(print, object()), partial(print, None, None), object()],
)
def test_send_of_a_server_that_is_not_known_has_no_wire_of_its_own(send: Any) -> None:
    assert daphne.find_protocol(send) is None
    assert daphne.request_timeout(send) is None
    assert uvicorn_wire.find_protocol(send) is None
    assert type(valve.valve_for(send)) is valve.Valve


def test_engineio_keeps_the_names_that_the_server_uses() -> None:
    server = engineio.AsyncServer(async_mode="asgi", monitor_clients=False)
    assert server._generate_sid_cookie("id", {"name": "io", "path": "/"}) == "io=id; path=/"
    assert server.ping_interval_grace_period == 0
    assert server.max_http_buffer_size == 1_000_000


def _attributes(protocol_class: type[Any]) -> list[str]:
    names = []
    for owner in protocol_class.__mro__:
        if owner is not object and owner.__module__.startswith(("daphne", "autobahn")):
            source = inspect.getsource(owner)
            names += [
                word for word in ("state", "application_queue") if f"self.{word} = " in source
            ]
    return names
