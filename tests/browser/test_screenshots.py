"""The pictures of the README and the docs, taken in the folder SCREENSHOTS, else thrown away."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person
from tests.browser.site import Site
from tests.web_thread import crowd

pytestmark = pytest.mark.browser

TALK = [
    ("grace", "Good morning! Did the compiler run finish?"),
    ("ada", "It did, at four o'clock. I took a walk to celebrate."),
    ("picture", "The view from up there"),
    ("grace", "Lovely. Save me a place next time?"),
    ("ada", "Always. Bring the biscuits."),
]
#: Rooms of the lobby, and how many are in them.
OFFICE = {
    "announcements": 14,
    "canteen": 9,
    "order 1042": 2,
    "order 1043": 3,
    "reception": 6,
    "warehouse": 5,
    "support": 7,
}


def test_room_as_it_looks_on_a_desk_and_on_a_phone(
    person: Callable[..., Person], site: Site, picture: Path, tmp_path: Path
) -> None:
    # Nobody wants to see the rooms of the other tests, and the talk is to start at its beginning.
    demo = "['General', 'Engine room', 'Tea break']"
    site.manage(
        "shell",
        "-c",
        "from chat.models import Message, Room\n"
        f"Room.objects.exclude(name__in={demo}).delete()\n"
        "Message.objects.filter(room__name='Engine room').delete()",
    )
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    ada = person("ada", viewport={"width": 1200, "height": 820}, device_scale_factor=2)
    grace = person(
        "grace",
        viewport={"width": 390, "height": 780},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
        color_scheme="dark",
    )
    ada.enter("engine-room")
    grace.enter("engine-room", transports="polling")
    for speaker, text in TALK:
        someone = grace if speaker == "grace" else ada
        if speaker == "picture":
            someone.choose_picture(picture)
            expect(someone.page.locator(".chosen")).to_be_visible()
        someone.write(text)
        someone.page.get_by_role("button", name="Send", exact=True).click()
        someone.sees_delivered(text)
        ada.sees(text)
        grace.sees(text)
    for someone in (ada, grace):
        expect(someone.page.get_by_role("img", name="Picture from ada")).to_have_js_property(
            "complete", True
        )
    grace.page.locator(".message").last.scroll_into_view_if_needed()
    grace.page.screenshot(path=folder / "chat-dark-phone.png")
    grace.page.get_by_label("Message to").press_sequentially("On my way")
    expect(ada.page.locator(".typing")).to_have_text("grace is typing")
    ada.page.screenshot(path=folder / "chat.png", animations="disabled")


def test_admin_as_it_looks_while_people_talk(
    person: Callable[..., Person], site: Site, logins: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    sessions = [session_of(logins[name]) for name in ("ada", "grace", "root")]
    with crowd(site.url) as clients:
        members = [
            clients.join(room, sessions[number % 3] if number % 4 else "")
            for room, size in OFFICE.items()
            for number in range(size)
        ]
        for number in range(60):
            clients.run(members[-1].call("message", {"room": "support", "text": f"Case {number}"}))
        root = person("root", viewport={"width": 1280, "height": 720}, device_scale_factor=2)
        root.page.goto("/admin/realtime/room/?namespace=/&kind=room")
        expect(root.page.get_by_text("Live", exact=True)).to_be_visible()
        root.page.screenshot(path=folder / "admin-rooms.png", animations="disabled")
        dark = person(
            "root",
            viewport={"width": 1200, "height": 980},
            device_scale_factor=2,
            color_scheme="dark",
        )
        dark.page.goto("/admin/realtime/room/view/?namespace=/&room=support")
        dark.page.get_by_role("button", name="Show events").click()
        expect(dark.page.get_by_text("Events appear here")).to_be_visible()
        for text in ("Case 60 is open", "Who takes it?", "I do"):
            clients.run(members[-1].call("message", {"room": "support", "text": text}))
        expect(dark.page.locator(".realtime-feed-lines li")).to_have_count(3)
        dark.page.screenshot(path=folder / "admin-room-dark.png", animations="disabled")


def session_of(state: dict[str, Any]) -> str:
    [key] = [cookie["value"] for cookie in state["cookies"] if cookie["name"] == "sessionid"]
    return str(key)
