"""One person and the page: history, the keyboard, a phone, no JavaScript, signing up."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from tests.browser.person import PASSWORDS, Person
from tests.browser.site import Site
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

People = Callable[..., Person]


def test_older_messages_come_when_scrolled_to(person: People, room: str, site: Site) -> None:
    site.manage(
        "shell",
        "-c",
        "from chat.models import Message, Room\n"
        "from django.contrib.auth.models import User\n"
        f"room, root = Room.objects.get(slug='{room}'), User.objects.get(username='root')\n"
        "for number in range(130):\n"
        "    Message.objects.create(room=room, author=root, text=f'Line {number:03}')\n",
    )
    ada = person("ada")
    ada.enter(room)
    ada.sees("Line 129")
    expect(ada.bubble("Line 129")).to_be_in_viewport()
    assert len(ada.texts()) < 130
    timeline = ada.page.locator(".timeline")
    for _ in range(2):
        count = len(ada.texts())
        timeline.evaluate("element => element.scrollTo(0, -element.scrollHeight)")
        expect(ada.page.locator(".message").nth(count)).to_be_attached()
    expect(ada.page.locator(".beginning")).to_be_visible()
    assert ada.texts() == [f"Line {number:03}" for number in range(130)]


def test_form_without_javascript_reaches_open_pages(person: People, room: str) -> None:
    ada, grace = person("ada"), person("grace", java_script_enabled=False)
    ada.enter(room)
    grace.page.goto(f"/rooms/{room}/")
    grace.page.get_by_label("Message to").fill("No script here")
    grace.page.get_by_role("button", name="Send", exact=True).click()
    grace.sees("No script here")
    ada.sees("No script here")


def test_keyboard_alone_is_enough(person: People, room: str) -> None:
    ada = person("ada")
    ada.enter(room)
    keyboard = ada.page.keyboard
    keyboard.press("Tab")
    expect(ada.page.get_by_role("link", name="Skip to writing a message")).to_be_focused()
    keyboard.press("Enter")
    box = ada.page.get_by_label("Message to")
    expect(box).to_be_focused()
    keyboard.type("Two")
    keyboard.press("Shift+Enter")
    keyboard.type("lines")
    keyboard.press("Enter")
    ada.sees_delivered("Two")
    assert ada.texts() == ["Two\nlines"]
    expect(box).to_be_focused()
    expect(box).to_have_value("")


def test_newcomer_signs_up_and_logs_out(person: People, site: Site) -> None:
    newcomer = person("ada", storage_state=None)
    page = newcomer.page
    page.goto("/accounts/signup/")
    page.get_by_label("Username").fill(f"mary-{site.server}")
    page.get_by_label("Password:", exact=True).fill("frankenstein-1818")
    page.get_by_label("Password confirmation").fill("frankenstein-1818")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("link", name="General").first.click()
    expect(page.locator(".people-list")).to_contain_text(f"mary-{site.server} (you)")
    page.get_by_role("button", name="Log out").click()
    page.goto("/rooms/general/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_phone_shows_everything_without_scrolling_sideways(person: People, room: str) -> None:
    phone = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
    ada = person("ada", color_scheme="dark", **phone)
    ada.enter(room)
    ada.write("W" * 300)
    ada.page.get_by_role("button", name="Send", exact=True).click()
    ada.sees_delivered("W" * 300)
    for path in ("/", f"/rooms/{room}/"):
        ada.page.goto(path)
        root = ada.page.locator("html")
        assert root.evaluate("element => element.scrollWidth <= element.clientWidth")


def test_phone_lists_each_room_once_with_its_unread_mark(person: People, room: str) -> None:
    grace = person("grace", viewport={"width": 390, "height": 780}, is_mobile=True)
    grace.enter(room)
    grace.page.goto("/")
    expect(grace.page.locator(".link-text")).to_contain_text("Online")
    expect(grace.page.locator(f'[data-room="{room}"]:visible')).to_have_count(1)
    ada = person("ada")
    ada.enter(room)
    ada.say("Are you there?")
    mark = grace.page.locator(f'.room-card[data-room="{room}"] .unread')
    expect(mark).to_be_visible()
    expect(mark).to_have_text("1 unread")


@pytest.mark.parametrize("width", [1200, 800, 390])
def test_state_of_the_connection_keeps_clear_of_log_out(person: People, width: int) -> None:
    ada = person("ada", viewport={"width": width, "height": 820})
    ada.page.goto("/?transports=websocket")
    state = ada.page.locator(".link-text")
    expect(state).to_have_text("Online · websocket")
    one = state.bounding_box()
    other = ada.page.get_by_role("button", name="Log out").bounding_box()
    assert one and other
    # A button is as high as a finger; its words are in the middle.
    words = other["y"] + other["height"] / 2 + 8
    assert one["x"] + one["width"] <= other["x"] or one["y"] >= words


def test_room_made_twice_at_once_is_made_once_and_the_others_are_told(site: Site) -> None:
    visitors = [Visitor(site) for _ in range(4)]
    for visitor in visitors:
        visitor.log_in("ada", PASSWORDS["ada"])
    name = f"Room {uuid.uuid4().hex[:8]}"
    names = [name, name.upper(), name, name.lower()]
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda visitor, name: visitor.post("/", name=name), visitors, names))
    told = [page for page in pages if "There is a room of this name already." in page]
    assert len(told) == 3
