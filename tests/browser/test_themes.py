"""The admin's pages under other themes, in Chromium: on a phone they fit, and are legible."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.visitor import state_of
from tests.web_thread import crowd

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
#: What lies outside of what holds the form, to the right.
CUT = """form => [...form.querySelectorAll("input, textarea, label, .help div")].filter(
    element => element.getBoundingClientRect().right > form.getBoundingClientRect().right + 1
).map(element => element.outerHTML)"""
#: The colour behind a link, and whether the box is as high as the text in it.
LEGIBLE = """link => [
    getComputedStyle(link).backgroundColor !== "rgba(0, 0, 0, 0)",
    link.scrollHeight <= link.clientHeight,
]"""


#: What is wider than it is shown, and whether the search box is as high as its text and padding.
SCROLLED = "box => box.scrollWidth > box.clientWidth"
ROOMY = "box => box.getBoundingClientRect().height >= 24"
#: Whether a select is beside its label's word, and the list of links begins where the heading does.
IN_LINE = "label => label.getBoundingClientRect().height < 1.5 * label.control.offsetHeight"
INDENTED = "list => list.firstElementChild.offsetLeft - list.offsetLeft"


@pytest.mark.parametrize("theme", ["unfold", "jazzmin"])
def test_pages_fit_a_phone_and_their_controls_are_legible(
    browser: Browser, tmp_path: Path, theme: str
) -> None:
    site = Site("daphne", tmp_path, DJANGO_SETTINGS_MODULE="tests.site.themed", THEME=theme)
    site.manage("migrate", "--verbosity", "0")
    site.manage("chat_demo")
    site.start()
    try:
        state = state_of(site, "root", "admin")
        root = Person(browser, site, "root", storage_state=state, **PHONE)
        root.page.goto("/admin/realtime/room/emit/?namespace=/&room=lobby")
        form = root.page.locator("#realtime-emit")
        expect(form.get_by_label("Event:")).to_be_visible()
        assert form.evaluate(CUT) == []
        assert root.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert form.get_by_role("link", name="Close").evaluate(LEGIBLE) == [True, True]
        form.get_by_label("Event:").fill("news")
        form.get_by_label("Arguments:").fill("{broken")
        form.get_by_role("button", name="Emit").click()
        expect(form.get_by_text("Not JSON").locator("visible=true")).to_have_count(1)
        with crowd(site.url) as clients:
            clients.join("lobby")
            root.page.goto("/admin/realtime/room/view/?namespace=/&room=lobby")
            expect(root.page.get_by_text("anonymous")).to_be_visible()
            assert root.page.locator("#searchbar").evaluate(ROOMY)
            assert root.page.locator(".actions label").evaluate(IN_LINE)
            assert root.page.locator(".object-tools").evaluate(INDENTED) == 0
        root.page.goto("/admin/realtime/node/")
        assert not root.page.locator(".results").evaluate(SCROLLED)
        root.context.close()
    finally:
        site.stop()
