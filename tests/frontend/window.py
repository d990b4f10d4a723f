"""A page in Chromium, and how often it has connected."""

from typing import Any

from playwright.sync_api import Browser, Page, WebSocket

from tests.browser.conftest import PATIENCE
from tests.live.servers import eventually

LISTENERS = """async () => {
  const { votes } = await import("/src/socket.ts");
  return ["connect", "disconnect", "counts"].map((name) => votes.listeners(name).length);
}"""


class Window:
    """Counts the page's connections: how many it has opened, and which are open."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.context = browser.new_context()
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.errors: list[Any] = []
        self._handshakes: list[str] = []
        self._websockets: list[WebSocket] = []
        self.page.on("pageerror", lambda error: self.errors.append(error))
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("websocket", lambda websocket: self._websockets.append(websocket))
        self.page.goto(url)

    def _note(self, url: str) -> None:
        if "/socket.io/?" in url and "sid=" not in url:
            self._handshakes.append(url)

    @property
    def handshakes(self) -> int:
        return len(self._handshakes)

    @property
    def open(self) -> int:
        """How many websockets of Socket.IO are open; Vite has one of its own."""
        ours = [one for one in self._websockets if "/socket.io/" in one.url]
        return sum(not one.is_closed() for one in ours)

    def listeners(self) -> list[int]:
        """Of `connect`, `disconnect` and `counts`, on a page of Vite's server."""
        found: list[int] = self.page.evaluate(LISTENERS)
        return found

    def wait_for(self, *, handshakes: int, open: int | None = None) -> None:
        """Playwright does not tell that a page's websockets close when another one is loaded."""

        def settled() -> bool:
            self.page.wait_for_timeout(20)  # in which Playwright hears of what has happened
            return self.handshakes == handshakes and open in (None, self.open)

        eventually(settled, lambda: f"{self.open} open of {self._handshakes}")

    def close(self) -> None:
        self.context.close()
        assert not self.errors
