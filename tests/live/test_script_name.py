"""A site below a path of its host: Socket.IO is where Django's pages are, and pages tell it."""

import http.client
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.live.clients import Client
from tests.live.farm import Farm
from tests.live.servers import ROOT, Server
from tests.live.test_javascript import run

PREFIX = "/app"
#: How the site is told of its path: by the environment, or by options of the web server.
SITES: dict[str, tuple[dict[str, str], list[str]]] = {
    "FORCE_SCRIPT_NAME": ({"LIVE_SCRIPT_NAME": PREFIX}, []),
    "--root-path": ({}, ["--root-path", PREFIX]),
}


@pytest.fixture(scope="module", params=SITES)
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def site(request: pytest.FixtureRequest, farm: Farm, way: str) -> Server:
    environment, options = SITES[way]
    server = Server(request.param, farm.folder("script-name"), 0, environment, options)
    farm.run(server)
    return server


def page(server: Server, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture(params=["stripped", "left on"])
def proxied(request: pytest.FixtureRequest, site: Server, way: str) -> Callable[[str], str]:
    """What the server sees of a path below the site's, behind a proxy of either kind."""
    if request.param == "stripped":
        return lambda path: path
    if (way, site.kind) == ("--root-path", "uvicorn"):
        pytest.skip("uvicorn puts its root path before every path: it is for proxies that strip")
    return lambda path: PREFIX + path


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_socket_connects_where_pages_answer(
    site: Server, proxied: Callable[[str], str], transport: str
) -> None:
    assert page(site, proxied("/who/"))[0] == 200
    client = Client(site.url, ("/",), transports=[transport], path=proxied("/socket.io/"))
    await client.connect()
    await client.disconnect()


def test_health_and_client_are_below_the_path(site: Server, proxied: Callable[[str], str]) -> None:
    assert page(site, proxied("/socket.io/health/live"))[0] == 200
    assert page(site, proxied("/socket.io/socket.io.js"))[0] == 200
    assert page(site, proxied("/socket.io//"))[0] == 404
    assert page(site, "/application/socket.io/")[0] == 404


def test_page_tells_the_client_its_path(site: Server, proxied: Callable[[str], str]) -> None:
    status, text = page(site, proxied("/script/"))
    assert status == 200
    assert 'realtime/page/path.js" data-path="/app/socket.io/"></script>' in text


@pytest.mark.node
def test_stock_client_finds_the_path_by_itself(site: Server, way: str) -> None:
    if (way, site.kind) == ("--root-path", "uvicorn"):
        pytest.skip("there is no proxy here that would strip the path")
    script = ROOT / "realtime" / "static" / "realtime" / "page" / "path.js"
    output = run("path", site, SCRIPT=str(script), SITE_PATH="/app/socket.io/")
    assert output == "connected\n"


def test_page_of_a_site_at_the_root_has_the_stock_client_only(server: Server) -> None:
    status, text = page(server, "/script/")
    assert status == 200
    assert "socket.io.min.js" in text and "path.js" not in text
