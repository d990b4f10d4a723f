"""Pages say which sockets they have: `{% realtime_script %}` adds the header of `skip=request`."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.finders import find
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template import engines
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from playwright.async_api import Browser, Page, async_playwright

from realtime import SocketIOConsumer, aemit, emit, namespace, routing
from realtime.node.actors import HEADER
from tests.browser.conftest import ARGUMENTS, BROWSERS
from tests.documents import ROOT
from tests.web_thread import web_thread

pytestmark = pytest.mark.browser

PAGE = """{% load realtime %}<!doctype html><title>A list</title>
{% realtime_script %}<script src="/htmx.js"></script>
<button hx-post="/act/?by=htmx" hx-swap="none">Act</button>"""
POLICY = "default-src 'self'; connect-src *"

CONNECT = """() => {
  window.heard = [];
  window.sockets = [io(), io("/news")];
  for (const socket of sockets) {
    socket.on("changed", (by) => heard.push(by));
    socket.on("end", () => heard.push("end"));
  }
  return Promise.all(sockets.map((s) => new Promise((resolve) => s.on("connect", resolve))));
}"""
ACTIONS = {
    "fetch": """() => fetch("/act/?by=fetch", {method: "POST"})""",
    "a request": """() => fetch(new Request("/act/?by=a request", {
      method: "put", headers: {"X-Own": "kept"}, body: "body"}))""",
    "xhr": """() => new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("POST", "/act/?by=xhr");
      request.onload = resolve;
      request.send("body");
    })""",
}

#: Method, path, origin and the header of each request to the views below.
seen: list[tuple[str, str, str, str | None, str | None]] = []


def note(request: HttpRequest) -> None:
    header, own = request.headers.get(HEADER), request.headers.get("X-Own")
    seen.append((str(request.method), request.path, request.get_host(), header, own))


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        engines["django"].from_string(PAGE).render(), headers={"Content-Security-Policy": POLICY}
    )


@csrf_exempt
def act(request: HttpRequest) -> HttpResponse:
    note(request)
    for name in ("/", "/news"):
        emit("changed", request.GET["by"], namespace=name, skip=request)
    return HttpResponse()


@csrf_exempt
def elsewhere(request: HttpRequest) -> HttpResponse:
    note(request)
    return HttpResponse(headers={"Access-Control-Allow-Origin": "*"})


@csrf_exempt
def away(request: HttpRequest) -> HttpResponse:
    note(request)
    response = HttpResponseRedirect(other(request.build_absolute_uri("/elsewhere/")))
    response.status_code = 307
    return response


def script(request: HttpRequest, name: str) -> HttpResponse:
    path = ROOT / "node_modules/htmx.org/dist/htmx.min.js" if name == "htmx.js" else find(name)
    return HttpResponse(Path(path).read_bytes(), content_type="text/javascript")


def other(url: str) -> str:
    """The same address under another name, which is another origin."""
    return url.replace("127.0.0.1", "localhost")


urlpatterns = [
    path("", page),
    path("act/", act),
    path("elsewhere/", elsewhere),
    path("away/", away),
    path("htmx.js", script, {"name": "htmx.js"}),
    path("static/<path:name>", script),  # Daphne's server has static files of its own
]


@pytest.fixture(params=["daphne", "uvicorn"])
def url(request: pytest.FixtureRequest, settings: Any, transactional_db: None) -> Iterator[str]:
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
    settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if "ContentSecurityPolicy" not in m]
    routes = list(routing._routes)
    namespace("/news")(type("News", (SocketIOConsumer,), {}))
    seen.clear()
    try:
        if request.param == "daphne":
            yield request.getfixturevalue("socketio_live_server").url
        else:
            with web_thread() as address:
                yield address
    finally:
        routing._routes[:] = routes


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found[0], args=ARGUMENTS)
        yield browser
        await browser.close()


async def open_page(browser: Browser, url: str) -> Page:
    page = await browser.new_page(base_url=url)
    await page.goto("/")
    await page.evaluate(CONNECT)
    return page


async def heard(page: Page) -> list[str]:
    """All that a page heard until the end, which comes in each of its namespaces."""
    await page.wait_for_function("() => heard.filter((by) => by === 'end').length === 2")
    found: list[str] = await page.evaluate("heard")
    return found


async def test_page_that_acts_does_not_hear_of_it(url: str, browser: Browser) -> None:
    acting, watching = await open_page(browser, url), await open_page(browser, url)
    for action in ACTIONS.values():
        await acting.evaluate(action)
    async with acting.expect_response(lambda response: "by=htmx" in response.url):
        await acting.get_by_role("button").click()
    # A page that knows of no socket acts for nobody.
    await (await browser.new_page(base_url=url)).request.post("/act/?by=nobody")
    for name in ("/", "/news"):
        await aemit("end", namespace=name)
    everything = [*ACTIONS, "htmx", "nobody"]
    assert sorted(await heard(watching)) == sorted([*everything * 2, "end", "end"])
    assert sorted(await heard(acting)) == ["end", "end", "nobody", "nobody"]
    assert [own for *_, own in seen] == [None, "kept", None, None, None]
    assert [method for method, *_ in seen] == ["POST", "PUT", "POST", "POST", "POST"]


async def test_header_goes_to_this_site_only_and_with_changes_only(
    url: str, browser: Browser
) -> None:
    page = await open_page(browser, url)
    await page.evaluate("""() => fetch("/elsewhere/")""")
    elsewhere_url = other(url) + "/elsewhere/"
    await page.evaluate("(url) => fetch(url, {method: 'POST', body: 'text'})", elsewhere_url)
    await page.evaluate(
        """(url) => new Promise((resolve) => {
          const request = new XMLHttpRequest();
          request.open("POST", url);
          request.onloadend = resolve;
          request.send("text");
        })""",
        elsewhere_url,
    )
    # The browser asks the other origin first whether it wants the header, and it does not.
    await page.evaluate("""() => fetch("/away/", {method: "POST"}).catch(() => null)""")
    host = url.removeprefix("http://")
    by_host = [(method, path, seen_host == host, bool(h)) for method, path, seen_host, h, _ in seen]
    assert by_host[:4] == [
        ("GET", "/elsewhere/", True, False),
        ("POST", "/elsewhere/", False, False),
        ("POST", "/elsewhere/", False, False),
        ("POST", "/away/", True, True),
    ]
    assert not any(has_header for _, _, is_here, has_header in by_host if not is_here)
    await page.evaluate("""() => { for (const socket of sockets) socket.disconnect(); }""")
    seen.clear()
    await page.evaluate("""() => fetch("/elsewhere/", {method: "POST"})""")
    assert [header for *_, header, _ in seen] == [None]
