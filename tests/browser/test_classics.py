"""The pages of docs/classics.md as they stand, beside the demo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import Site
from tests.documents import blocks

PAGES = {
    block.note.removeprefix("page: "): block.code
    for block in blocks()
    if block.document == "docs/classics.md" and block.language == "html"
}

Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Open:
    """Opens a page of the docs, as one of the site, in a browser of its own."""

    def open_it(name: str) -> Page:
        page = browser.new_context().new_page()
        address = f"{site.url}/classic.html"
        html = f"<!doctype html>{PAGES[name]}"
        page.route(address, lambda route: route.fulfill(content_type="text/html", body=html))
        page.goto(address)
        return page

    return open_it


@contextmanager
def served(name: str, site: Site) -> Iterator[str]:
    """The address of a page of the docs at another origin than the site's."""
    html = PAGES[name].replace("http://localhost:3000", site.url).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html)

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def said(page: Page, text: str) -> None:
    expect(page.locator("#messages li").filter(has_text=text)).to_have_count(1)


def test_chat_of_get_started(open_page: Open) -> None:
    first, second = open_page("chat message"), open_page("chat message")
    second.wait_for_function("socket.connected")
    first.fill("#input", "Hello, classics")
    first.click("button")
    said(first, "Hello, classics")
    said(second, "Hello, classics")


def test_plain_messages(open_page: Open) -> None:
    first, second = open_page("message"), open_page("message")
    second.wait_for_function("socket.connected")
    first.click("#say")
    for page in (first, second):
        said(page, "hello by message")
        said(page, "hello by chat")


def test_room(open_page: Open) -> None:
    first, second, stranger = open_page("rooms"), open_page("rooms"), open_page("message")
    for page in (first, second, stranger):
        page.wait_for_function("socket.connected")
    # The join is handled before what the same socket sends after it.
    second.evaluate("socket.emitWithAck('join', 'tea')")
    first.fill("#text", "Hello, tea")
    first.click("button")
    said(first, "Hello, tea")
    said(second, "Hello, tea")
    first.evaluate("socket.emit('chat', 'the end')")
    said(stranger, "the end")
    expect(stranger.locator("#messages li")).to_have_count(1)


def test_page_of_another_origin(browser: Browser, site: Site) -> None:
    with served("other origin", site) as address:
        page = browser.new_context().new_page()
        page.goto(address)
        said(page, "from elsewhere")
