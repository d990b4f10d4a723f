"""The private names of the libraries that the wires touch: a release that moves one fails here."""

import ast
import asyncio
import inspect
import json
import sys
import warnings
from asyncio import selector_events
from functools import partial
from pprint import pformat
from types import SimpleNamespace
from typing import Any

import engineio
import pytest
import uvicorn
import wsproto
from autobahn import util as autobahn_util
from autobahn.twisted import websocket as autobahn_twisted
from autobahn.websocket import protocol as autobahn_protocol
from daphne import http_protocol, ws_protocol
from daphne.server import Server as DaphneServer
from twisted.internet import abstract, tcp
from twisted.web import _http2, http
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn.server import ServerState

from realtime.engine.transports import (
    autobahn,
    bodies,
    compression,
    daphne,
    reader,
    sizes,
    valve,
)
from realtime.engine.transports import uvicorn as uvicorn_wire
from realtime.engine.transports.daphne import HANDSHAKE_ONLY
from tests.conformance.raw import WebSocket
from tests.conformance.servers import Server
from tests.fuzz.websockets import HANDSHAKE, AsyncioTransport, frame


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


async def websockets_core() -> Any:
    """A protocol of uvicorn's that has been asked for a websocket with compression."""
    config = uvicorn.Config(application, ws_ping_interval=None)
    config.load()
    protocol = WebSocketsSansIOProtocol(config, ServerState(), {})
    protocol.connection_made(AsyncioTransport())
    extension = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    protocol.data_received(HANDSHAKE[:-2] + extension)
    return protocol


async def test_websockets_core_agrees_to_compression_before_it_is_told_to_accept() -> None:
    protocol = await websockets_core()
    assert [extension.name for extension in protocol.conn.extensions] == ["permessage-deflate"]
    assert "permessage-deflate" in protocol.response.headers["Sec-WebSocket-Extensions"]
    compression.decline(protocol.send)
    assert protocol.conn.extensions == []
    assert "Sec-WebSocket-Extensions" not in protocol.response.headers
    await protocol.send({"type": "websocket.accept"})
    assert b"101 Switching" in protocol.transport.written
    assert b"Extensions" not in protocol.transport.written
    # Neither is used once the handshake is over.
    source = inspect.getsource(WebSocketsSansIOProtocol)
    assert source.count("self.request") == 1 and source.count("self.response") == 6


async def test_websockets_core_waits_for_a_frame_in_at_eof() -> None:
    protocol = await websockets_core()
    await protocol.send({"type": "websocket.accept"})
    nothing: Any = None
    read = uvicorn_wire.WebsocketsReader(nothing, protocol, nothing, nothing, 0)
    whole = frame(0x01, b"a") + frame(0x80, b"b")
    between = []
    for at in range(len(whole)):
        between.append(read.is_between_messages())
        protocol.data_received(whole[at : at + 1])
    assert between == [True] + [False] * (len(whole) - 1)
    assert read.is_between_messages()
    protocol.data_received(frame(0x88, b""))
    assert not read.is_between_messages()
    assert isinstance(protocol.conn.debug, bool)


async def test_wsproto_takes_compression_from_the_configuration_as_it_accepts() -> None:
    assert "if self.config.ws_per_message_deflate:" in inspect.getsource(WSProtocol.send)
    config = uvicorn.Config(application)
    config.load()
    first, second = (WSProtocol(config, ServerState(), {}) for _ in range(2))
    compression.decline(first.send)
    assert not first.config.ws_per_message_deflate
    assert first.config.ws_max_size == config.ws_max_size
    assert second.config is config and config.ws_per_message_deflate


@pytest.mark.parametrize("protocol_class", [WSProtocol, WebSocketsSansIOProtocol])
async def test_uvicorn_ends_at_the_size_that_is_set(protocol_class: type[Any]) -> None:
    config = uvicorn.Config(application, ws_ping_interval=None)
    config.load()
    protocol = protocol_class(config, ServerState(), {})
    protocol.connection_made(AsyncioTransport())
    protocol.data_received(HANDSHAKE)
    sizes.limit(protocol.send, 100)
    await protocol.send({"type": "websocket.accept"})
    protocol.data_received(frame(0x81, bytes(100)) + frame(0x01, bytes(60)))
    assert not sizes.is_exceeded(protocol.send, 100)
    protocol.data_received(frame(0x80, bytes(41)))
    assert sizes.is_exceeded(protocol.send, 100)
    assert protocol.close_sent and protocol.transport.closed
    # Of this websocket alone.
    assert config.ws_max_size == 2**24


async def test_legacy_websockets_look_at_their_extensions_after_the_application_accepted() -> None:
    config = uvicorn.Config(application)
    config.load()
    with warnings.catch_warnings(action="ignore"):
        from uvicorn.protocols.websockets import websockets_impl

        protocol = websockets_impl.WebSocketProtocol(config, ServerState(), {})
    assert protocol.available_extensions
    compression.decline(protocol.asgi_send)
    assert protocol.available_extensions == []
    source = inspect.getsource(websockets_impl.WebSocketServerProtocol)
    assert "available_extensions=self.available_extensions" in source
    asked = source.index("self.process_request(path, request_headers)")
    assert asked < source.index("self.process_extensions(\n            request_headers, available")


@pytest.mark.parametrize("send", [print, partial(print), object(), WSProtocol.send])
def test_a_server_that_is_not_known_agrees_to_what_it_likes(send: Any) -> None:
    compression.decline(send)


async def test_an_event_of_asyncio_may_keep_its_waiters_in_a_list() -> None:
    event: Any = asyncio.Event()
    assert not event._waiters
    event._waiters = []
    waiting = [asyncio.create_task(event.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert len(event._waiters) == 3
    waiting[1].cancel()
    await asyncio.sleep(0)
    event.set()
    assert [await waiting[0], await waiting[2]] == [True, True]
    assert event._waiters == []


def test_wsproto_keeps_the_names_of_its_parser() -> None:
    connection = wsproto.connection.Connection(wsproto.ConnectionType.SERVER)
    assert connection.state.name == "OPEN"
    assert connection._proto._frame_decoder.header is None
    assert len(connection._proto._frame_decoder.buffer) == 0
    assert connection._proto._message_decoder.opcode is None


def test_websockets_takes_masks_off_in_c() -> None:
    from websockets import speedups

    assert reader.unmask is speedups.apply_mask


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
    assert "self.wasMaxMessagePayloadSizeExceeded = True" in source
    assert "self.wasMaxFramePayloadSizeExceeded = True" in source
    protocol = autobahn_protocol.WebSocketProtocol
    assert "self.wasMaxMessagePayloadSizeExceeded = False" in inspect.getsource(protocol)


def test_autobahn_keeps_the_names_of_its_parser() -> None:
    source = inspect.getsource(autobahn_protocol.WebSocketProtocol)
    for name in (
        "data",
        "inside_message",
        "current_frame",
        "autoPingTimeoutCall",
        "trackedTimings",
    ):
        assert f"self.{name} = " in source
    assert {"logOctets", "logFrames"} <= set(
        autobahn_protocol.WebSocketProtocol.CONFIG_ATTRS_COMMON
    )
    assert ws_protocol.WebSocketProtocol.muted is False
    messages = inspect.getsource(ws_protocol.WebSocketProtocol.onMessage)
    assert "self.last_ping = time.time()" in messages
    server = inspect.getsource(autobahn_protocol.WebSocketServerProtocol)
    for name in ("http_headers", "http_request_params", "websocket_extensions"):
        assert f"self.{name}" in server
        assert f".{name}" not in inspect.getsource(ws_protocol)
    opening = ("processHandshake", "succeedHandshake", "_connectionMade", "_onOpen")
    opening += ("onConnect", "connectionMade", "__init__")
    kinds = (*ws_protocol.WebSocketProtocol.__mro__,)
    for name in HANDSHAKE_ONLY:
        users = {
            method
            for kind in kinds
            for method, value in vars(kind).items()
            if inspect.isfunction(value) and f"self.{name}" in inspect.getsource(value)
        }
        assert users and users <= {*opening}, (name, users)


def test_autobahn_formats_its_options_for_its_log_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    source = inspect.getsource(autobahn_protocol.WebSocketProtocol._connectionMade)
    assert 'self.log.debug("\\n{attrs}", attrs=pformat(configAttrLog))' in source
    monkeypatch.setattr(autobahn_protocol, "pformat", pformat)
    autobahn.format_log_lazily()
    options: Any = [("logOctets", False, "WebSocketFactory")] * 40
    shown: Any = autobahn_protocol.pformat(options)
    assert f"{shown}" == pformat(options)
    # For whoever else asks, it is what it was.
    assert autobahn_protocol.pformat({"a": options}, width=40) == pformat({"a": options}, width=40)
    assert str(autobahn_protocol.Timings()) == "{}"
    autobahn.format_log_lazily()
    monkeypatch.setattr(autobahn_protocol, "pformat", repr)  # somebody else's
    autobahn.format_log_lazily()
    unpatched: Any = autobahn_protocol.pformat
    assert unpatched is repr


def test_autobahn_colours_names_for_its_log_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (autobahn_protocol, autobahn_twisted):
        tree = ast.parse(inspect.getsource(module))
        coloured = [node for node in ast.walk(tree) if _calls(node) in ("hltype", "hlval")]
        logged = [
            keyword.value
            for node in ast.walk(tree)
            if _calls(node).startswith("self.log.")
            for keyword in getattr(node, "keywords", [])
        ]
        assert coloured
        assert all(node in logged for node in coloured), ast.unparse(coloured[0])
        for name in ("hltype", "hlval"):
            monkeypatch.setattr(module, name, getattr(autobahn_util, name))
        autobahn.format_log_lazily()
        shown: Any = module.hltype(test_autobahn_colours_names_for_its_log_alone)
        assert not isinstance(shown, str)
        plain = autobahn_util.hltype(test_autobahn_colours_names_for_its_log_alone)
        assert f"{shown}" == plain and "guards" in plain
        assert f"{module.hlval(3):}" == autobahn_util.hlval(3)
        once = module.hltype
        autobahn.format_log_lazily()
        assert module.hltype is once


def _calls(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


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
