"""Somebody at a browser of their own, in the words of the chat."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.site import Site

PASSWORDS = {"ada": "lovelace", "grace": "hopper", "root": "admin"}
#: What a page looks after every so many seconds, it looks after each second.
HASTE = """
const every = window.setInterval;
window.setInterval = (run, pause, ...args) => every(run, Math.min(pause, 1_000), ...args);
"""


class Person:
    """One browser context, logged in, its pages, and what their consoles say of errors."""

    def __init__(self, browser: Browser, site: Site, name: str, **options: Any) -> None:
        self.site = site
        self.name = name
        self.errors: list[str] = []
        self.context = browser.new_context(base_url=site.url, locale="en-GB", **options)
        self.page = self.open_tab()

    def hasten(self) -> None:
        """From the next page on, what would look again after 10 or 20 seconds does so in one."""
        self.context.add_init_script(HASTE)

    def open_tab(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        return page

    def note_what_is_sent(self) -> list[str]:
        """All that the page sends from its next address on, by either transport."""
        sent: list[str] = []
        self.page.on("request", lambda request: sent.append(request.post_data or ""))
        self.page.on(
            "websocket", lambda wire: wire.on("framesent", lambda frame: sent.append(str(frame)))
        )
        return sent

    def log_in(self, then: str = "/") -> None:
        self.page.goto(f"/accounts/login/?next={then}")
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(PASSWORDS[self.name])
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page).to_have_url(f"{self.site.url}{then}")

    def enter(self, room: str, page: Page | None = None, transports: str = "") -> None:
        """Opens the room's page, and waits until its socket has all that it shows."""
        page = page or self.page
        page.goto(f"/rooms/{room}/" + (f"?transports={transports}" if transports else ""))
        expect(page.locator(".people-count")).not_to_be_empty()

    def write(self, text: str) -> None:
        self.page.get_by_label("Message to").fill(text)

    def say(self, text: str) -> None:
        self.write(text)
        self.page.keyboard.press("Enter")

    def choose_picture(self, path: Path) -> None:
        self.page.get_by_label("Send a picture").set_input_files(path)

    def bubble(self, text: str) -> Locator:
        return self.page.locator(".message").filter(has_text=text)

    def texts(self) -> list[str]:
        return self.page.locator(".message .text").all_inner_texts()

    def sees(self, text: str) -> None:
        expect(self.bubble(text)).to_have_count(1)

    def sees_delivered(self, text: str) -> None:
        mark = self.bubble(text).get_by_role("img", name="Delivered")
        expect(mark).to_be_visible()

    def sees_people(self, *names: str, page: Page | None = None) -> None:
        people = (page or self.page).locator(".people-list .person-name")
        expect(people).to_have_text([n + (" (you)" if n == self.name else "") for n in names])

    def sees_away(self, *names: str) -> None:
        """Members who are not in the room, in the order of their names: "grace online"."""
        items = self.page.locator(".away-list .person")
        expect(items.locator(".person-name")).to_have_text([n.split()[0] for n in names])
        expect(items.locator(".person-state")).to_have_text([n.split()[1] for n in names])
