"""The official Socket.IO Admin UI, in its own build, against the demo site."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.person import Person
from tests.browser.site import Site

pytestmark = pytest.mark.browser

PAGE = "/static/admin-ui/index.html"


@pytest.fixture(scope="module")
def ui_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = "tests.browser.ui_site.settings"
    site = Site("daphne", tmp_path_factory.mktemp("ui"), DJANGO_SETTINGS_MODULE=settings)
    site.manage("migrate", "--verbosity", "0")
    site.manage("chat_demo")
    site.start()
    yield site
    site.stop()
    assert "Traceback" not in Path(site.log).read_text()


Open = Callable[..., Person]


@pytest.fixture
def open_ui(browser: Browser, ui_site: Site) -> Iterator[Open]:
    """Logs somebody in and connects their Admin UI."""
    people: list[Person] = []

    def open_ui(name: str, namespace: str = "/admin") -> Person:
        someone = Person(browser, ui_site, name)
        people.append(someone)
        # Its fonts and icons would come from other hosts.
        someone.context.route(
            lambda url: not url.startswith(ui_site.url), lambda route: route.abort()
        )
        someone.log_in()
        page = someone.page
        page.goto(PAGE)
        page.get_by_label("Server URL").fill(ui_site.url)
        page.get_by_text("Advanced options").click()
        page.get_by_label("Admin namespace").fill(namespace)
        page.get_by_role("button", name="Connect").click()
        return someone

    yield open_ui
    for someone in people:
        someone.context.close()


@pytest.fixture
def ada(browser: Browser, ui_site: Site) -> Iterator[Person]:
    """Somebody in a room of the demo."""
    ada = Person(browser, ui_site, "ada")
    ada.log_in()
    ada.enter("general")
    yield ada
    ada.context.close()


def show(page: Page, view: str, namespace: str = "/chat") -> Locator:
    """The rows of one of the UI's views."""
    page.locator(".v-navigation-drawer").get_by_text(view, exact=True).click()
    page.get_by_label("Select namespace").last.click(force=True)  # the view before it fades out
    page.get_by_role("option", name=namespace, exact=True).click()
    return page.locator(".v-data-table tbody tr:not(.v-data-table__empty-wrapper)")


def button(within: Locator | Page, icon: str) -> Locator:
    return within.locator(f"button:has(.{icon})")


def test_page_shows_servers_sockets_and_rooms_as_they_change(
    open_ui: Open, ada: Person, ui_site: Site
) -> None:
    page = open_ui("root").page
    expect(page.locator(".v-app-bar").get_by_text("connected", exact=True).first).to_be_visible()
    server = page.locator(".v-card").filter(has_text="Servers")
    expect(server.locator("tr").filter(has_text="healthy").first).to_contain_text("1")
    sockets = show(page, "Sockets")
    expect(sockets).to_have_count(1)
    second = ada.open_tab()
    ada.enter("general", second)
    expect(sockets).to_have_count(2)
    second.close()
    expect(sockets).to_have_count(1)
    expect(show(page, "Rooms").filter(has_text="~chat.room:1")).to_be_visible()


def test_page_disconnects_a_client(open_ui: Open, ada: Person) -> None:
    page = open_ui("root").page
    sockets = show(page, "Sockets")
    expect(sockets).to_have_count(1)
    sockets.click()
    button(page, "mdi-logout").first.click()
    expect(page.locator(".v-main").get_by_text("disconnected", exact=True).first).to_be_visible()


def test_read_only_page_has_no_buttons(open_ui: Open, ada: Person) -> None:
    page = open_ui("root", "/watch").page
    sockets = show(page, "Sockets")
    expect(sockets).to_have_count(1)
    expect(button(sockets, "mdi-logout")).to_have_count(0)


def test_who_is_no_staff_is_told_to_log_in(open_ui: Open) -> None:
    page = open_ui("grace").page
    expect(page.get_by_text("Log in to the admin of this site")).to_be_visible()
