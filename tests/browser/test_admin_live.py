"""The admin's pages while the site is in use: what changes by itself, and what must not."""

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.person import Person
from tests.browser.site import Site

pytestmark = pytest.mark.browser

ROOMS = "/admin/realtime/room/?namespace=/&q="
NODES = "/admin/realtime/node/"
MAKE_STAFF = """
from django.contrib.auth.models import Permission, User
user = User.objects.create_user({name!r}, password="watching", is_staff=True)
user.user_permissions.set(Permission.objects.filter(codename="view_room"))
"""
#: A line through two readings at least.
TWO_READINGS = re.compile(r"^M[\d.]+ [\d.]+L")
DEMOTE = "from django.contrib.auth.models import User; User.objects.filter(username={name!r})"


class Lobby:
    """A page from which sockets go to rooms of the lobby, and speak there."""

    def __init__(self, page: Page) -> None:
        page.goto("/")
        page.evaluate("window.sockets = {}")
        self.page = page

    def enter(self, room: str) -> None:
        self.page.evaluate(
            """async (room) => {
                const socket = sockets[room] = io("/", {forceNew: true});
                await new Promise((resolve) => socket.on("connect", resolve));
                await socket.emitWithAck("join", room);
            }""",
            room,
        )

    def say(self, room: str, text: str) -> None:
        self.page.evaluate(
            "([room, text]) => sockets[room].emitWithAck('message', {room, text})", [room, text]
        )

    def leave(self, room: str) -> None:
        self.page.evaluate("(room) => sockets[room].disconnect()", room)


@pytest.fixture
def lobby(person: Callable[..., Person]) -> Lobby:
    return Lobby(person("ada").page)


@pytest.fixture
def root(person: Callable[..., Person]) -> Iterator[Person]:
    """The superuser, whose console has no errors, of a Content-Security-Policy say."""
    root = person("root")
    yield root
    assert not root.errors


@pytest.fixture
def tag() -> str:
    """What the names of this test's rooms begin with."""
    return uuid.uuid4().hex[:8]


def row(page: Page, room: str) -> Locator:
    return page.locator("#result_list tbody tr").filter(has_text=room)


def open_live(page: Page, address: str) -> None:
    """Open a page, which is still the same document when it is checked."""
    page.goto(address)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.evaluate("window.untouched = true")


def is_same_document(page: Page) -> bool:
    return page.evaluate("window.untouched === true") is True


def test_list_follows_rooms_that_come_and_go(root: Person, lobby: Lobby, tag: str) -> None:
    open_live(root.page, ROOMS + tag)
    lobby.enter(f"{tag} kitchen")
    expect(row(root.page, "kitchen")).to_be_visible()
    lobby.enter(f"{tag} attic")
    expect(row(root.page, "attic").locator(".field-members")).to_have_text("1")
    lobby.leave(f"{tag} kitchen")
    expect(row(root.page, "kitchen")).to_have_count(0)
    assert is_same_document(root.page)


def test_what_a_person_did_to_a_list_outlives_its_changes(
    root: Person, lobby: Lobby, tag: str
) -> None:
    lobby.enter(f"{tag} kitchen")
    lobby.enter(f"{tag} attic")
    page = root.page
    open_live(page, f"{ROOMS}{tag}&o=name")
    box = row(page, "kitchen").get_by_role("checkbox")
    box.check()
    box.focus()
    page.evaluate(
        """() => {
            const links = [...document.querySelectorAll("#result_list th a")];
            const name = links.find((link) => link.textContent.includes("kitchen"));
            document.getSelection().selectAllChildren(name);
        }"""
    )
    for room in ("basement", "living room"):  # one before it in the list, one after it
        lobby.enter(f"{tag} {room}")
        expect(row(page, room)).to_be_visible()
    expect(box).to_be_checked()
    expect(box).to_be_focused()
    expect(page.get_by_text("1 of 4 selected")).to_be_visible()
    assert page.evaluate("document.getSelection().toString()") == f"{tag} kitchen"
    lobby.leave(f"{tag} attic")
    expect(page.get_by_text("1 of 3 selected")).to_be_visible()
    assert is_same_document(page)


def test_fresh_rows_are_put_in_without_touching_the_old_ones(root: Person) -> None:
    root.page.goto(NODES)
    result: dict[str, Any] = root.page.evaluate(
        """async () => {
            const { patch } = await import("/static/realtime/admin/morph.js");
            const row = (key, text) => `<tr data-key="${key}"><td>${text}</td></tr>\\n`;
            const table = (...rows) => `<table><tbody>${rows.join("")}</tbody></table>`;
            const rest = "<details><summary>more</summary></details><input value=old>";
            const region = document.createElement("div");
            document.body.append(region);
            patch(region, table(row("a", 1), row("b", 2), row("c", 3)) + rest);
            const [a, b, c] = region.querySelectorAll("tr");
            region.querySelector("details").open = true;
            region.querySelector("input").value = "typed";
            patch(region, table(row("c", 30), row("x", 9), row("a", 1)) + rest);
            const now = [...region.querySelectorAll("tr")];
            return {
                text: now.map((one) => one.textContent),
                kept: now[0] === c && now[2] === a && !b.isConnected,
                open: region.querySelector("details").open,
                typed: region.querySelector("input").value,
            };
        }"""
    )
    assert result == {"text": ["30", "9", "1"], "kept": True, "open": True, "typed": "typed"}


def test_paused_page_stays_as_it_is(root: Person, lobby: Lobby, tag: str) -> None:
    page = root.page
    open_live(page, ROOMS + tag)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").filter(has_text="Paused")).to_be_visible()
    lobby.enter(f"{tag} kitchen")
    with page.expect_response(lambda response: "/room/" in response.url) as refresh:
        assert row(page, "kitchen").count() == 0
        page.get_by_role("button", name="Resume").click()
    assert refresh.value.request.headers["x-realtime-fragment"] == "1"
    expect(row(page, "kitchen")).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_hidden_page_rests_until_it_is_looked_at(root: Person, lobby: Lobby, tag: str) -> None:
    page, beside_it = root.page, root.open_tab()
    for one in (page, beside_it):
        open_live(one, ROOMS + tag)
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for room in ("kitchen", "attic"):  # two beats
        lobby.enter(f"{tag} {room}")
        expect(row(beside_it, room)).to_be_visible()
    assert not [url for url in asked if "/admin/" in url]
    page.evaluate(hide, False)
    expect(row(page, "kitchen")).to_be_visible()


def test_page_without_a_connection_refreshes_by_itself(
    person: Callable[..., Person], lobby: Lobby, tag: str
) -> None:
    root = person("root")
    root.hasten()
    page = root.page
    page.route("**/socket.io/?*", lambda route: route.abort())
    page.goto(ROOMS + tag)
    expect(page.get_by_text("Every 10 seconds")).to_be_visible()
    lobby.enter(f"{tag} kitchen")
    expect(row(page, "kitchen")).to_be_visible()
    page.unroute("**/socket.io/?*")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_nodes_have_charts(root: Person, site: Site) -> None:
    page = root.page
    open_live(page, NODES)
    node = page.locator(".realtime-charts-node")
    expect(node).to_have_count(1)
    expect(node.locator("svg[role=img]")).to_have_count(4)
    line = node.locator("[data-chart=memory] .realtime-chart-line")
    expect(line).to_have_attribute("d", TWO_READINGS)
    name = node.locator("[data-chart=memory] svg").get_attribute("aria-label") or ""
    assert name.startswith("Memory ")
    assert name.count("MB") == 2


def test_charts_are_drawn_without_a_connection(person: Callable[..., Person]) -> None:
    root = person("root")
    root.hasten()
    page = root.page
    page.route("**/socket.io/?*", lambda route: route.abort())
    page.goto(NODES)
    expect(page.locator(".realtime-charts-node")).to_have_count(1)


def feed_page(room: str) -> str:
    return f"/admin/realtime/room/view/?namespace=/&room={room}"


def test_feed_shows_events_only_while_it_is_on(root: Person, lobby: Lobby, tag: str) -> None:
    page, room = root.page, f"{tag} kitchen"
    lobby.enter(room)
    open_live(page, feed_page(room))
    lobby.say(room, "before")
    lines = page.locator(".realtime-feed-lines li")
    page.get_by_role("button", name="Show events").click()
    stop = page.locator("#realtime-feed").get_by_role("button", name="Stop")
    expect(stop).to_have_attribute("aria-pressed", "true")
    lobby.say(room, "while <b>on</b>")
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text("while <b>on</b>")
    stop.click()
    expect(page.get_by_role("button", name="Show events")).to_be_focused()
    lobby.say(room, "after")
    lobby.leave(room)
    expect(page.get_by_text("Nobody is in this room.")).to_be_visible()
    expect(lines).to_have_count(1)


def test_feed_goes_on_after_a_lost_connection(
    person: Callable[..., Person], lobby: Lobby, tag: str
) -> None:
    root = person("root")
    page, room = root.page, f"{tag} kitchen"
    lobby.enter(room)
    open_live(page, feed_page(room))
    page.get_by_role("button", name="Show events").click()
    expect(page.get_by_text("Events appear here")).to_be_visible()
    root.context.set_offline(True)
    expect(page.get_by_text("The connection was lost")).to_be_visible()
    root.context.set_offline(False)
    expect(page.get_by_text("Events appear here")).to_be_visible()
    lobby.say(room, "hello")
    expect(page.locator(".realtime-feed-lines li").first).to_contain_text("hello")


@pytest.fixture
def viewer(browser: Browser, site: Site) -> Iterator[Person]:
    """Staff who may view rooms, and nothing else."""
    name = f"viewer{uuid.uuid4().hex[:6]}"
    site.manage("shell", "-c", MAKE_STAFF.format(name=name))
    viewer = Person(browser, site, name)
    viewer.page.goto("/admin/login/?next=/admin/realtime/room/")
    viewer.page.get_by_label("Username").fill(name)
    viewer.page.get_by_label("Password").fill("watching")
    viewer.page.get_by_role("button", name="Log in").click()
    expect(viewer.page.get_by_text("Live", exact=True)).to_be_visible()
    yield viewer
    viewer.context.close()


ASK = """async ([event, ...args]) => {
    const socket = io("/realtime/admin", {forceNew: true});
    const failed = new Promise((resolve) => socket.on("connect_error", (e) => resolve(e.message)));
    const answer = socket.timeout(20000).emitWithAck(event, ...args);
    return Promise.race([failed, answer]);
}"""


def test_viewer_sees_rooms_live_but_no_feed(viewer: Person, lobby: Lobby, tag: str) -> None:
    page, room = viewer.page, f"{tag} kitchen"
    open_live(page, ROOMS + tag)
    lobby.enter(room)
    expect(row(page, "kitchen")).to_be_visible()
    open_live(page, feed_page(room))
    expect(page.get_by_role("button", name="Show events")).to_have_count(0)
    assert page.evaluate(ASK, ["feed", "/", room, True])["error"]["code"] == "forbidden"
    assert page.evaluate(ASK, ["watch", "nodes"])["error"]["code"] == "forbidden"
    assert not viewer.errors


def test_who_is_no_staff_is_refused(lobby: Lobby) -> None:
    assert "Only staff" in lobby.page.evaluate(ASK, ["watch", "rooms"])


def test_who_is_staff_no_more_sees_no_more(viewer: Person, site: Site, lobby: Lobby) -> None:
    demote = DEMOTE.format(name=viewer.name)
    site.manage("shell", "-c", f"{demote}.update(is_staff=False)")
    expect(viewer.page.get_by_text("You are logged out")).to_be_visible()
    lobby.enter("a room that is not for the viewer")
    expect(viewer.page.get_by_role("button", name="Pause")).to_be_hidden()
    expect(row(viewer.page, "not for the viewer")).to_have_count(0)
