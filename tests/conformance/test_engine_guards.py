"""The private names of the libraries that the wires touch: a release that moves one fails here."""

import asyncio
import inspect
import json
from functools import partial
from typing import Any

import engineio
import pytest
import uvicorn
from daphne import http_protocol, ws_protocol
from daphne.server import Server as DaphneServer
from twisted.internet import abstract, tcp
from twisted.web import http
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn.server import ServerState

from realtime.engine.transports import daphne
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


def test_daphne_keeps_the_names_of_its_protocol() -> None:
    protocol_class = ws_protocol.WebSocketProtocol
    assert {"state", "application_queue"} <= set(_attributes(protocol_class))
    assert "self.application_queue.put_nowait(" in inspect.getsource(protocol_class.onMessage)
    assert "partial(self.handle_reply, protocol)" in inspect.getsource(
        DaphneServer.create_application
    )
    assert isinstance(protocol_class.STATE_OPEN, int)


def test_daphne_has_its_protocol_found_behind_send_and_nothing_else() -> None:
    protocol = ws_protocol.WebSocketProtocol()
    assert daphne.find_protocol(partial(DaphneServer.handle_reply, protocol)) is protocol
    assert daphne.find_protocol(partial(print, "a message")) is None
    assert daphne.find_protocol(print) is None


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
