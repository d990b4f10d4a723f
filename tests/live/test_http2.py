"""Daphne over TLS with HTTP/2: Django's pages and Socket.IO's polling, as over HTTP/1.1."""

import json
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

from tests.certificates import certificate
from tests.live.clients import Client
from tests.live.farm import Farm
from tests.live.servers import Process, site_environment
from tests.ports import free_port

POLLING = "/socket.io/?EIO=4&transport=polling"
PATIENCE = 30


class TLSDaphne(Process):
    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.certificate, key = certificate(folder)
        endpoint = f"ssl:{port}:privateKey={key}:certKey={self.certificate}:interface=127.0.0.1"
        super().__init__(
            "daphne-tls",
            [sys.executable, "-m", "daphne", "-e", endpoint, "tests.site.asgi:application"],
            folder,
            port=port,
            environment=site_environment({}),
        )
        self.url = f"https://127.0.0.1:{port}"


class HTTP2:
    """One connection, one request at a time."""

    def __init__(self, server: TLSDaphne) -> None:
        context = ssl.create_default_context(cafile=server.certificate)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", server.port or 0), PATIENCE)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        assert self._socket.selected_alpn_protocol() == "h2"
        self._host = f"127.0.0.1:{server.port}"
        config = h2.config.H2Configuration(header_encoding="utf-8")
        self._connection = h2.connection.H2Connection(config=config)
        self._connection.initiate_connection()
        self._flush()

    def request(
        self, method: str, path: str, body: bytes = b"", *, sized: bool = True
    ) -> tuple[int, bytes]:
        """Status and body of an answer; without `sized` the length is not announced."""
        stream = self._connection.get_next_available_stream_id()
        headers = [(":method", method), (":path", path), (":scheme", "https")]
        headers += [(":authority", self._host)]
        if body and sized:
            headers.append(("content-length", str(len(body))))
        self._connection.send_headers(stream, headers, end_stream=not body)
        self._flush()
        while body:
            room = min(
                self._connection.local_flow_control_window(stream),
                self._connection.max_outbound_frame_size,
            )
            if room <= 0:
                self._take()
                continue
            piece, body = body[:room], body[room:]
            self._connection.send_data(stream, piece, end_stream=not body)
            self._flush()
        return self._answer(stream)

    def _answer(self, stream: int) -> tuple[int, bytes]:
        status, body = 0, b""
        while True:
            for event in self._take():
                if getattr(event, "stream_id", None) != stream:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    status = int(dict(event.headers)[":status"])
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                    length = event.flow_controlled_length
                    self._connection.acknowledge_received_data(length, stream)
                elif isinstance(event, h2.events.StreamReset):
                    return 0, b""
                elif isinstance(event, h2.events.StreamEnded):
                    self._flush()
                    return status, body

    def _take(self) -> list[Any]:
        data = self._socket.recv(65_536)
        assert data, "the server closed the connection"
        events = self._connection.receive_data(data)
        self._flush()
        return list(events)

    def _flush(self) -> None:
        self._socket.sendall(self._connection.data_to_send())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def daphne(farm: Farm) -> TLSDaphne:
    server = TLSDaphne(farm.folder("tls"))
    farm.run(server)
    return server


@pytest.fixture
def connection(daphne: TLSDaphne) -> Iterator[HTTP2]:
    connection = HTTP2(daphne)
    yield connection
    connection.close()


def test_pages_of_django_answer(connection: HTTP2) -> None:
    assert connection.request("GET", "/who/") == (200, b'{"user": ""}')


def test_body_for_a_page_of_django_is_none_of_our_business(connection: HTTP2) -> None:
    body = json.dumps({"event": "news", "args": ["x" * 1_500_000]}).encode()
    assert connection.request("POST", "/emit/", body) == (200, b"{}")


def test_socket_joins_and_gets_its_ack_over_polling(connection: HTTP2) -> None:
    status, opening = connection.request("GET", POLLING)
    assert status == 200
    session = f"{POLLING}&sid={json.loads(opening[1:])['sid']}"
    assert connection.request("POST", session, b"40") == (200, b"ok")
    status, answer = connection.request("GET", session)
    assert status == 200
    assert answer.startswith(b'40{"sid":')


@pytest.mark.parametrize("sized", [True, False], ids=["announced", "not announced"])
def test_body_over_the_limit_is_refused_and_the_connection_lives_on(
    connection: HTTP2, sized: bool
) -> None:
    _, opening = connection.request("GET", POLLING)
    session = f"{POLLING}&sid={json.loads(opening[1:])['sid']}"
    status, _ = connection.request("POST", session, b"4" * 1_500_000, sized=sized)
    assert status == 413
    assert connection.request("GET", session)[0] == 400  # the session is closed
    assert connection.request("GET", "/who/")[0] == 200


async def test_websocket_beside_it_works_over_http_1(daphne: TLSDaphne) -> None:
    client = Client(daphne.url, ("/",), transports=["websocket"], ssl_verify=False)
    await client.connect()
    assert client.transport == "websocket"
    await client.disconnect()
