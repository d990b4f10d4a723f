"""The pictures of the README, taken in the folder named by SCREENSHOTS, else thrown away."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person
from tests.browser.site import Site

pytestmark = pytest.mark.browser

TALK = [
    ("grace", "Good morning! Did the compiler run finish?"),
    ("ada", "It did, at four o'clock. I took a walk to celebrate."),
    ("picture", "The view from up there"),
    ("grace", "Lovely. Save me a place next time?"),
    ("ada", "Always. Bring the biscuits."),
]


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
