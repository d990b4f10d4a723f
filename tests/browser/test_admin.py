"""The admin's pages in Chromium, under a policy that allows nothing inline."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.visitor import state_of
from tests.web_thread import Crowd, crowd

pytestmark = pytest.mark.browser

PEOPLE = """
from django.contrib.auth.models import Permission, User
viewer = User.objects.create_user("viewer", password="viewing", is_staff=True)
viewer.user_permissions.set(Permission.objects.filter(
    content_type__app_label="realtime", codename__startswith="view_"))
User.objects.create_user("clerk", password="nothing", is_staff=True)
"""
PASSWORDS = {"root": "admin", "viewer": "viewing", "clerk": "nothing", "ada": "lovelace"}
ODD = "<img src=x onerror=alert(1)> \"'&?#/../é 日本"
LONG = "corridor" * 12
DESK = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
WIDE = """() => {
    const root = document.documentElement;
    return root.scrollWidth > root.clientWidth ? `${root.scrollWidth} of ${root.clientWidth}` : "";
}"""


def room_page(room: str, view: str = "view") -> str:
    return f"/admin/realtime/room/{view}/?{urlencode({'namespace': '/', 'room': room})}"


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def strict(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("strict")
    site = Site(request.param, folder, DJANGO_SETTINGS_MODULE="tests.site.strict")
    site.manage("migrate", "--verbosity", "0")
    site.manage("chat_demo")
    site.manage("shell", "-c", PEOPLE)
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def states(strict: Site) -> dict[str, Any]:
    """Cookies of each of the people."""
    return {name: state_of(strict, name, password) for name, password in PASSWORDS.items()}


@pytest.fixture
def reader(
    browser: Browser, strict: Site, states: dict[str, Any]
) -> Iterator[Callable[..., Person]]:
    """Somebody with a browser, whose console must stay free of errors, those of the policy too."""
    people: list[Person] = []

    def make(name: str, **options: Any) -> Person:
        someone = Person(browser, strict, name, storage_state=states[name], **options)
        people.append(someone)
        return someone

    yield make
    for someone in people:
        someone.context.close()
    assert [someone.errors for someone in people] == [[] for _ in people]


@pytest.fixture
def clients(strict: Site) -> Iterator[Crowd]:
    with crowd(strict.url) as clients:
        yield clients


def session(states: dict[str, Any], name: str) -> str:
    found = [c["value"] for c in states[name]["cookies"] if c["name"] == "sessionid"]
    return str(found[0])


def walk_to(page: Page, selector: str) -> None:
    """Press Tab until this has the focus."""
    for _ in range(80):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {selector}")


@pytest.mark.parametrize("width", [1280, 1200])
def test_no_column_is_cut_on_a_usual_screen(
    reader: Callable[..., Person], clients: Crowd, states: dict[str, Any], width: int
) -> None:
    clients.join("lobby", session(states, "ada"))
    root = reader("root", viewport={"width": width, "height": 800})
    for page in ("room/", "socket/", "onlineuser/", "node/", "room/view/?namespace=/&room=lobby"):
        root.page.goto(f"/admin/realtime/{page}")
        results = root.page.locator("#realtime-live .results")
        expect(results).to_be_visible()
        assert results.evaluate("element => element.scrollWidth - element.clientWidth") <= 0, page


def test_ids_and_namespaces_are_on_one_line_on_a_usual_screen(
    reader: Callable[..., Person], clients: Crowd, states: dict[str, Any]
) -> None:
    clients.join("lobby", session(states, "ada"))
    root = reader("root", **DESK)
    root.page.goto("/admin/realtime/socket/")
    expect(root.page.get_by_text("/realtime/admin").last).to_be_visible()
    cells = root.page.locator("#result_list :is(.field-sid a, td.field-namespace)")
    lines = "cells => cells.map(cell => { const range = document.createRange(); \
        range.selectNodeContents(cell); return range.getClientRects().length; })"
    assert set(cells.evaluate_all(lines)) == {1}


def test_phone_shows_members_and_events_and_the_way_to_the_form(
    reader: Callable[..., Person], clients: Crowd
) -> None:
    for _ in range(60):
        clients.join("lobby")
    root = reader("root", **PHONE)
    root.page.goto("/admin/realtime/room/?q=lobby")
    results = root.page.locator("#realtime-live .results")
    for column in ("members", "events"):
        expect(root.page.locator(f".column-{column}")).to_be_visible()
    assert results.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
    root.page.get_by_role("link", name="lobby").click()
    root.page.get_by_role("link", name="Emit an event").click()
    expect(root.page.get_by_label("Event:")).to_be_in_viewport()


@pytest.mark.parametrize(
    "look",
    [(screen, scheme) for screen in (DESK, PHONE) for scheme in ("light", "dark")],
    ids=["desk-light", "desk-dark", "phone-light", "phone-dark"],
)
def test_pages_fit_the_screen_and_obey_the_policy(
    reader: Callable[..., Person],
    clients: Crowd,
    states: dict[str, Any],
    look: tuple[dict[str, Any], Any],
) -> None:
    screen, scheme = look
    member = clients.join(LONG, session(states, "ada"))
    clients.join(ODD)
    root = reader("root", color_scheme=scheme, **screen)
    for address in (
        "/admin/",
        "/admin/realtime/",
        "/admin/realtime/room/",
        "/admin/realtime/socket/",
        "/admin/realtime/onlineuser/",
        "/admin/realtime/node/",
        room_page(LONG),
        room_page(ODD),
        room_page(LONG, "emit"),
        room_page(LONG, "close"),
        f"/admin/realtime/socket/view/?{urlencode({'sid': member.sid()})}",
        "/admin/realtime/onlineuser/view/?user=auth.user:1",
    ):
        response = root.page.goto(address)
        assert response
        assert response.headers["content-security-policy"] == "default-src 'self'"
        expect(root.page.locator("#content h1")).to_be_visible()
        assert root.page.evaluate(WIDE) == "", address
        background = root.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") is (scheme == "light")


def test_superuser_finds_and_closes_a_room_by_keyboard(
    reader: Callable[..., Person], clients: Crowd
) -> None:
    member = clients.join(ODD)
    page = reader("root").page
    page.goto("/admin/realtime/room/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    walk_to(page, "#searchbar")
    page.keyboard.type("ONERROR")
    page.keyboard.press("Enter")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    walk_to(page, "select[name=action]")
    page.keyboard.type("Close")
    walk_to(page, "input.action-select")
    page.keyboard.press("Space")
    expect(page.get_by_text("1 of 1 selected")).to_be_visible()
    page.get_by_role("button", name="Go").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Are you sure?")).to_be_visible()
    expect(page.get_by_text(ODD)).to_be_visible()
    walk_to(page, "#content input[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 socket was removed.")).to_be_visible()
    expect(page.locator("#result_list")).to_have_count(0)
    assert clients.run(member.call("join", "elsewhere"))["ok"]
    page.goto("/admin/")
    page.locator("#recent-actions-module").get_by_role("link", name="onerror").click()
    expect(page.get_by_text("Nobody is in this room.")).to_be_visible()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("1 socket was removed.")).to_be_visible()


def test_selected_members_are_disconnected_after_no_and_yes(
    reader: Callable[..., Person], clients: Crowd
) -> None:
    sids = sorted(clients.join("the hall").sid() for _ in range(4))
    page = reader("root").page
    page.goto(f"{room_page('the hall')}&o=sid")
    boxes = page.locator("input.action-select")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.get_by_text("3 of 4 selected")).to_be_visible()
    page.get_by_label("Action:").select_option("Disconnect selected sockets")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("link", name="No, take me back").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(4)
    page.locator("#action-toggle").check()
    boxes.nth(3).uncheck()
    page.get_by_label("Action:").select_option("Disconnect selected sockets")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.get_by_text("3 sockets were disconnected.")).to_be_visible()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    expect(page.locator("#result_list tbody tr")).to_contain_text(sids[-1])


def test_arguments_are_checked_as_they_are_typed_and_emitted(
    reader: Callable[..., Person], clients: Crowd
) -> None:
    member = clients.join("the hall")
    page = reader("root").page
    page.goto(room_page("the hall"))
    verdict = page.locator("#realtime-verdict")
    field = page.get_by_label("Arguments")
    page.get_by_label("Event:").fill("news")
    for typed, says in (
        ('["a", oops]', "Not JSON"),
        ('["a"', "Not JSON"),
        ('{"a": 1}', "This must be a list"),
        ("", "No arguments."),
        ('["a", {"b": [1]}, null]', "3 arguments: string, object, null."),
    ):
        field.fill(typed)
        expect(verdict).to_contain_text(says)
        wrong = says.startswith(("Not", "This must"))
        expect(field).to_have_attribute("aria-invalid", str(wrong).lower())
        if wrong:
            page.get_by_role("button", name="Emit").click()
            expect(page.get_by_role("heading", name="Are you sure?")).to_have_count(0)
    page.get_by_role("button", name="Emit").click()
    expect(page.get_by_role("heading", name="Are you sure?")).to_be_visible()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.get_by_text("The event “news” was emitted to the hall in /.")).to_be_visible()
    assert clients.run(member.next("news")) == ("a", {"b": [1]}, None)


def test_viewer_may_look_at_all_and_touch_nothing(
    reader: Callable[..., Person], clients: Crowd, states: dict[str, Any]
) -> None:
    member = clients.join("the hall", session(states, "ada"))
    viewer = reader("viewer")
    page = viewer.page
    page.goto("/admin/")
    for model in ("Nodes", "Rooms", "Sockets", "Users"):
        expect(page.locator("#content").get_by_role("link", name=model)).to_be_visible()
    page.get_by_role("link", name="Rooms").first.click()
    page.get_by_role("link", name="the hall").click()
    expect(page.get_by_text(member.sid())).to_be_visible()
    for offer in ("Close the room", "Emit an event", "Go"):
        expect(page.get_by_text(offer, exact=True)).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)
    # The account itself is not theirs to see: the name leads to the user's sockets.
    page.get_by_role("link", name="ada").click()
    expect(page).to_have_url(re.compile("/realtime/onlineuser/view/"))
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    answer = page.request.post(
        room_page("the hall", "close"),
        form={
            "csrfmiddlewaretoken": token,
            "action": "close",
            "_selected_action": "/,the hall",
            "post": "yes",
        },
        headers={"Referer": page.url},
    )
    assert answer.status == 403
    page.goto(room_page("the hall"))
    expect(page.get_by_text(member.sid())).to_be_visible()


def test_staff_without_permission_see_no_section(reader: Callable[..., Person]) -> None:
    clerk = reader("clerk")
    clerk.page.goto("/admin/")
    expect(clerk.page.get_by_role("heading", name="Site administration")).to_be_visible()
    expect(clerk.page.get_by_text("Realtime")).to_have_count(0)
    for model in ("room", "socket", "onlineuser", "node"):
        assert clerk.page.request.get(f"/admin/realtime/{model}/").status == 403
