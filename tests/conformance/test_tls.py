"""Daphne with TLS of its own: what it leaves out of a websocket's scope."""

import asyncio
import base64
import contextlib
import os
import ssl
from collections.abc import Iterator

import pytest

from tests.certificates import certificate
from tests.conformance.raw import PATIENCE, head
from tests.conformance.servers import ROOT, Server, run
from tests.conformance.talker import POLLING, WEBSOCKET


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    certificate(folder)  # certificate.pem and key.pem
    environment = {"PYTHONPATH": str(ROOT)}
    with run(
        "daphne-tls", folder, "tests.conformance.talk:application", environment, cwd=folder
    ) as server:
        yield server


async def request(
    server: Server, path: str, origin: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
    headers = {"Host": f"127.0.0.1:{server.port}", "Origin": origin}
    if path == WEBSOCKET:
        headers |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        }
    writer.write(head("GET", path, headers))
    return reader, writer


async def status(server: Server, path: str, origin: str) -> int:
    reader, writer = await request(server, path, origin)
    try:
        line = await asyncio.wait_for(reader.readline(), PATIENCE)
    finally:
        writer.transport.abort()
    return int(line.split()[1])


@pytest.mark.parametrize(("path", "welcome"), [(POLLING, 200), (WEBSOCKET, 101)])
async def test_pages_loaded_over_http_are_refused_on_a_secure_site(
    secure: Server, path: str, welcome: int
) -> None:
    host = f"127.0.0.1:{secure.port}"
    assert await status(secure, path, f"https://{host}") == welcome
    assert await status(secure, path, f"http://{host}") == 403


async def test_a_client_that_pings_and_never_reads_is_closed_under_tls_too(secure: Server) -> None:
    # Nobody reads from the reader, which stops its transport soon.
    _, writer = await request(secure, WEBSOCKET, f"https://127.0.0.1:{secure.port}")
    await asyncio.sleep(0.5)
    ping = b"\x89\xfd" + bytes(4) + b"?" * 125
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(2 * PATIENCE):
            while True:
                writer.write(ping * 1_000)
                await writer.drain()
    assert "with the answers to its pings" in secure.log
    writer.transport.abort()
