"""The chat as people use it: real servers, headless Chromium, two users and more."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.person import PASSWORDS, Person
from tests.browser.site import Site
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

People = Callable[..., Person]


def test_messages_go_both_ways_between_polling_and_websocket(person: People, room: str) -> None:
    ada, grace = person("ada"), person("grace")
    ada.enter(room)
    grace.enter(room, transports="polling")
    ada.say("Hello from a websocket")
    ada.sees_delivered("Hello from a websocket")
    grace.sees("Hello from a websocket")
    grace.say("And hello from polling")
    grace.sees_delivered("And hello from polling")
    ada.sees("And hello from polling")
    expect(ada.page.locator(".link-text")).to_have_text("Online · websocket")
    expect(grace.page.locator(".link-text")).to_have_text("Online · polling")
    assert ada.texts() == grace.texts() == ["Hello from a websocket", "And hello from polling"]
    assert ada.errors == grace.errors == []


def test_message_with_markup_is_shown_as_text(person: People, room: str) -> None:
    ada, grace = person("ada"), person("grace")
    ada.enter(room)
    grace.enter(room)
    text = '<img src=x onerror="document.title=1"> see https://example.org/a?b=1.'
    ada.say(text)
    grace.sees("see https")
    grace.page.reload()
    grace.sees("see https")
    assert grace.texts() == ada.texts() == [text]
    link = grace.bubble("see https").get_by_role("link")
    expect(link).to_have_attribute("href", "https://example.org/a?b=1")
    assert ada.errors == grace.errors == []


def test_typing_is_shown_until_it_ends(person: People, room: str) -> None:
    ada, grace = person("ada"), person("grace")
    ada.enter(room)
    grace.enter(room)
    grace.write("I am thin")
    expect(ada.page.locator(".typing")).to_have_text("grace is typing")
    grace.write("")
    expect(ada.page.locator(".typing")).to_have_text("")
    grace.say("I was thinking")
    ada.sees("I was thinking")
    expect(ada.page.locator(".typing")).to_have_text("")


def test_person_with_two_tabs_is_here_once_until_both_are_closed(person: People, room: str) -> None:
    ada, grace = person("ada"), person("grace")
    ada.enter(room)
    grace.enter(room)
    second = grace.open_tab()
    grace.enter(room, page=second)
    ada.sees_people("ada", "grace")
    second.close()
    grace.sees_people("ada", "grace")
    ada.sees_people("ada", "grace")
    grace.page.close()
    ada.sees_people("ada")


def test_reload_of_a_page_is_no_leaving(person: People, room: str) -> None:
    ada, grace = person("ada"), person("grace")
    ada.enter(room)
    grace.enter(room)
    ada.sees_people("ada", "grace")
    # From now on each state of ada's list is noted, not only the last one.
    ada.page.evaluate(
        """() => {
            const list = document.querySelector(".people-list");
            window.states = [];
            const note = () => window.states.push(list.innerText.includes("grace"));
            new MutationObserver(note).observe(list, { childList: true });
            note();
        }"""
    )
    grace.page.reload()
    grace.sees_people("ada", "grace")
    grace.say("Back already")
    ada.sees("Back already")
    assert set(ada.page.evaluate("window.states")) == {True}


def test_member_who_went_elsewhere_is_shown_as_online_and_not_here(
    person: People, room: str
) -> None:
    ada, grace = person("ada"), person("grace")
    ada.hasten()
    ada.enter(room)
    grace.enter(room)
    ada.sees_people("ada", "grace")
    grace.page.goto("/")
    ada.sees_people("ada")
    ada.sees_away("grace online")
    grace.page.close()
    ada.sees_away("grace offline")


def test_picture_reaches_the_others(person: People, room: str, picture: Path) -> None:
    ada, grace = person("ada"), person("grace")
    ada.enter(room)
    grace.enter(room, transports="polling")
    ada.choose_picture(picture)
    ada.say("The view from here")
    ada.sees_delivered("The view from here")
    grace.sees("The view from here")
    for someone in (ada, grace):
        image = someone.bubble("The view from here").get_by_role("img", name="Picture from ada")
        expect(image).to_have_js_property("naturalWidth", 960)
    # And from the one who polls, a binary event the other way.
    grace.choose_picture(picture)
    grace.say("Mine is the same")
    grace.sees_delivered("Mine is the same")
    ada.sees("Mine is the same")
    assert ada.errors == grace.errors == []


def test_file_that_is_no_picture_is_refused_with_a_reason(
    person: People, room: str, tmp_path: Path, picture: Path
) -> None:
    ada = person("ada")
    ada.enter(room)
    disguised = tmp_path / "page.png"
    disguised.write_text("<script>alert(1)</script>")
    ada.choose_picture(disguised)
    expect(ada.page.locator(".composer-error")).to_have_text("This picture can't be read.")
    expect(ada.page.locator(".chosen")).to_be_hidden()
    ada.choose_picture(picture)
    expect(ada.page.locator(".chosen")).to_be_visible()


def test_message_that_the_server_refuses_shows_no_broken_picture(
    person: People, room: str, site: Site
) -> None:
    # What another browser may decode, and this one can't.
    code = (
        "from django.contrib.auth.models import User\n"
        "from django.core.files.base import ContentFile\n"
        "from chat.models import Message, Room\n"
        f"room, root = Room.objects.get(slug='{room}'), User.objects.get(username='root')\n"
        r"image = ContentFile(b'\x89PNG\r\n\x1a\n, but no more', name='picture.png')"
        "\n"
        "Message.objects.create(room=room, author=root, text='Broken', image=image)\n"
    )
    site.manage("shell", "-c", code)
    ada = person("ada")
    ada.enter(room)
    expect(ada.bubble("Broken").get_by_text("This picture can’t be shown.")).to_be_visible()
    expect(ada.bubble("Broken").locator("img")).to_be_hidden()
    # The composer finds out what can't be decoded; here it must not, so that it gets to the server.
    ada.page.evaluate("window.createImageBitmap = async () => ({ close() {} })")
    file = {"name": "page.png", "mimeType": "image/png", "buffer": b"<script>alert(1)</script>"}
    ada.page.get_by_label("Send a picture").set_input_files([file])
    ada.say("A page in disguise")
    refused = ada.bubble("A page in disguise")
    expect(refused.locator(".failure")).to_contain_text(
        "Only PNG, JPEG, GIF and WebP pictures can be sent."
    )
    expect(refused.locator("img")).to_be_hidden()
    refused.get_by_role("button", name="Discard").click()
    expect(refused).to_have_count(0)


def test_page_left_open_after_a_log_out_says_of_nobody_that_they_are_here(
    person: People, room: str
) -> None:
    ada, grace = person("ada"), person("grace")
    # A login of its own: the others' is used by all tests.
    away = person("ada", storage_state=None)
    grace.enter(room)
    grace.enter("general")
    away.log_in()
    away.enter(room)
    away.sees_people("ada")
    ada.enter(room)
    away.sees_away("grace online")
    tab = away.open_tab()
    tab.goto("/")
    tab.get_by_role("button", name="Log out").click()
    banner = away.page.locator(".connection")
    expect(banner.locator(".connection-text")).to_have_text("You are logged out.")
    expect(banner.get_by_role("link", name="Log in")).to_be_visible()
    expect(away.page.locator(".people .person")).to_have_count(0)
    expect(away.page.locator(".people-count")).to_be_empty()
    expect(away.page.locator(".people-list")).to_have_text("Shown when the page is connected.")
    expect(away.page.locator(".link-text")).to_have_text("Not connected")
    ada.sees_people("ada")


def test_failed_message_is_sent_again_on_request_and_stored_once(person: People, room: str) -> None:
    ada, grace = person("ada"), person("grace")
    ada.enter(room)
    grace.enter(room)
    elsewhere = ada.open_tab()
    ada.enter(room, page=elsewhere)
    elsewhere.get_by_role("button", name="Leave room").click()
    expect(elsewhere.get_by_role("heading", name="Rooms", exact=True)).to_be_visible()
    ada.say("Am I still in?")
    expect(ada.bubble("Am I still in?").locator(".failure")).to_contain_text("not in this room")
    ada.enter(room, page=elsewhere)
    ada.bubble("Am I still in?").get_by_role("button", name="Try again").click()
    ada.sees_delivered("Am I still in?")
    grace.sees("Am I still in?")
    grace.page.reload()
    grace.sees("Am I still in?")


def test_unread_marks_count_up_and_go_when_the_room_is_read(person: People, room: str) -> None:
    ada, grace = person("ada"), person("grace")
    grace.enter(room)
    grace.enter("tea-break")
    mark = grace.page.locator(f'[data-room="{room}"] .count')
    expect(mark).to_be_hidden()
    ada.enter(room)
    ada.say("One")
    ada.say("Two")
    expect(mark).to_be_visible()
    expect(mark).to_have_text("2")
    other_tab = grace.open_tab()
    grace.enter(room, page=other_tab)
    ada.say("Three")
    expect(other_tab.locator(".message").filter(has_text="Three")).to_have_count(1)
    expect(mark).to_be_hidden()


def test_room_made_by_one_appears_on_the_list_of_the_other(person: People) -> None:
    ada, grace = person("ada"), person("grace")
    grace.page.goto("/")
    expect(grace.page.locator(".link-text")).to_contain_text("Online")
    ada.page.goto("/")
    ada.page.get_by_label("Name of a new room").fill("Library")
    ada.page.get_by_role("button", name="Create").click()
    grace.page.get_by_role("link", name="Library").click()
    expect(grace.page.get_by_role("heading", name="Library")).to_be_visible()


def test_announcement_saved_in_the_admin_reaches_every_page(person: People, room: str) -> None:
    ada, grace, root = person("ada"), person("grace"), person("root")
    ada.enter(room)
    grace.page.goto("/")
    expect(grace.page.locator(".link-text")).to_contain_text("Online")
    root.page.goto("/admin/chat/announcement/add/")
    root.page.get_by_label("Text").fill("Tea is served")
    root.page.get_by_role("button", name="Save", exact=True).click()
    for someone in (ada, grace):
        expect(someone.page.locator(".announcement")).to_have_text("Tea is served")
    ada.page.get_by_role("button", name="Dismiss").click()
    ada.page.reload()
    expect(ada.page.locator(".link-text")).to_contain_text("Online")
    expect(ada.page.locator(".announcement")).to_have_count(0)
    # Withdrawn in the admin, it leaves the pages that still show it.
    root.page.locator("#result_list").get_by_role("link", name="Tea is served").click()
    root.page.locator("a.deletelink").click()  # a link or, since Django 6.1, a button
    root.page.get_by_role("button", name="Yes").click()
    expect(grace.page.locator(".announcement")).to_have_count(0)
    assert root.errors == []


@pytest.mark.parametrize("transports", ["", "polling"], ids=["websocket", "polling"])
def test_laptop_that_slept_gets_what_was_said_and_fetches_nothing(
    person: People, room: str, transports: str
) -> None:
    ada, grace = person("ada"), person("grace")
    sent = grace.note_what_is_sent()
    ada.enter(room)
    grace.enter(room, transports=transports)
    ada.say("Before")
    grace.sees("Before")
    assert any('["open"' in text for text in sent)
    # Twice: recovery is not for one time only.
    for number in range(2):
        grace.context.set_offline(True)
        expect(grace.page.locator(".link-text")).to_have_text("Not connected")
        ada.say(f"While you slept {number}")
        ada.sees_delivered(f"While you slept {number}")
        sent.clear()
        grace.context.set_offline(False)
        grace.sees(f"While you slept {number}")
        expect(grace.page.locator(".link-text")).to_contain_text("Online")
    grace.say("Awake")
    grace.sees_delivered("Awake")
    ada.sees("Awake")
    for someone in (ada, grace):
        assert someone.texts() == ["Before", "While you slept 0", "While you slept 1", "Awake"]
        someone.sees_people("ada", "grace")
    assert any('"pid"' in text for text in sent)
    assert [t for t in sent if any(f'["{e}"' in t for e in ("open", "history", "hello"))] == []


def test_room_that_was_left_while_the_laptop_slept_is_not_heard(
    person: People, room: str, site: Site
) -> None:
    ada, grace = person("ada"), person("grace")
    ada.enter(room)
    grace.enter(room)
    grace.context.set_offline(True)
    expect(grace.page.locator(".link-text")).to_have_text("Not connected")
    elsewhere = Visitor(site)
    elsewhere.log_in("grace", PASSWORDS["grace"])
    elsewhere.post(f"/rooms/{room}/leave/", page="/")
    ada.say("Now that grace has left")
    ada.sees_delivered("Now that grace has left")
    grace.context.set_offline(False)
    expect(grace.page.locator(".link-text")).to_contain_text("Online")
    ada.sees_people("ada")
    assert grace.texts() == []


def test_messages_of_an_absence_appear_once_and_in_order_afterwards(
    person: People, room: str, site: Site
) -> None:
    ada, grace = person("ada"), person("grace")
    ada.enter(room)
    grace.enter(room, transports="polling")
    ada.say("Before")
    grace.sees("Before")
    site.stop()
    for someone in (ada, grace):
        expect(someone.page.locator(".connection")).to_contain_text("Trying again")
        expect(someone.page.locator(".people .person")).to_have_count(0)
    ada.say("Said into the void")
    expect(ada.bubble("Said into the void").locator(".delivery")).to_have_attribute(
        "aria-label", "Sending"
    )
    site.manage(
        "shell",
        "-c",
        "from chat.models import Message, Room\n"
        "from django.contrib.auth.models import User\n"
        f"room, root = Room.objects.get(slug='{room}'), User.objects.get(username='root')\n"
        "for number in range(60):\n"
        "    Message.objects.create(room=room, author=root, text=f'Missed {number:02}')\n",
    )
    site.start()
    missed = ["Before", *(f"Missed {number:02}" for number in range(60)), "Said into the void"]
    for someone in (ada, grace):
        expect(someone.page.locator(".message .text")).to_have_text(missed)
        expect(someone.page.locator(".connection")).to_be_hidden()
        someone.sees_people("ada", "grace")
    ada.sees_delivered("Said into the void")
    grace.say("Welcome back")
    ada.sees("Welcome back")
