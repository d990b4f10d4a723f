"""docs/tutorial: a new user's way through it, with two windows of a real browser."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.follower import PASSWORD, Follower
from tests.live.servers import Process
from tests.ports import free_port

pytestmark = pytest.mark.browser


@contextmanager
def served(follower: Follower) -> Iterator[str]:
    port = free_port()
    server = Process(
        "runserver",
        [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
        follower.folder.parent,
        port=port,
        environment=follower.environment | {"DJANGO_SETTINGS_MODULE": "groceries.settings"},
        cwd=follower.folder,
    )
    server.start()
    try:
        server.wait()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
    assert "Traceback" not in server.news()


def window(browser: Browser) -> Page:
    return browser.new_context().new_page()


def log_in(page: Page, url: str, name: str) -> None:
    page.goto(url)
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda address: "login" not in address)


def test_pages_do_what_the_tutorial_says(browser: Browser, tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    follower.follow("docs/tutorial/1-live-list.md")
    with served(follower) as url:
        _look_at_a_live_list(browser, url)
    follower.follow("docs/tutorial/2-users.md")
    follower.run("python", "manage.py", "shell", "-c", BOB)
    with served(follower) as url:
        _look_at_users(browser, url)
    follower.follow("docs/tutorial/3-rooms-and-rules.md")
    with served(follower) as url:
        _look_at_rules(browser, url)


BOB = f"""
from django.contrib.auth.models import User
User.objects.create_user("bob", password={PASSWORD!r})
"""


def _look_at_a_live_list(browser: Browser, url: str) -> None:
    one, two, admin = (window(browser) for _ in range(3))
    one.goto(url)
    one.fill("[name=name]", "Saturday")
    one.click("button")
    one.wait_for_url(f"{url}/lists/1/")
    two.goto(one.url)
    one.fill("[name=text]", "Bread")
    one.click("button")
    for page in (one, two):
        expect(page.locator("#items")).to_contain_text("Bread")
    two.check("#items input")
    expect(one.locator("#items input")).to_be_checked()
    log_in(admin, f"{url}/admin/", "ada")
    admin.goto(f"{url}/admin/lists/item/1/change/")
    admin.fill("[name=text]", "Two loaves of bread")
    admin.click("[name=_save]")
    for page in (one, two):
        expect(page.locator("#items")).to_contain_text("Two loaves of bread")
    admin.goto(f"{url}/admin/lists/item/1/delete/")
    admin.click("#content [type=submit]")
    for page in (one, two):
        expect(page.locator("#items li")).to_have_count(0)


def _look_at_users(browser: Browser, url: str) -> None:
    ada, bob, admin = (window(browser) for _ in range(3))
    log_in(ada, url, "ada")
    expect(ada.locator("h1")).to_have_text("Lists of ada")
    expect(ada.locator("li")).to_have_count(0)
    ada.fill("[name=name]", "Sunday")
    ada.click("text=New list")
    ada.wait_for_url(f"{url}/lists/2/")
    log_in(bob, ada.url, "bob")
    expect(bob.locator("h1")).to_contain_text("not found")
    log_in(admin, f"{url}/admin/", "ada")
    admin.goto(f"{url}/admin/lists/list/2/change/")
    admin.select_option("[name=members]", label=["ada", "bob"])
    admin.click("[name=_save]")
    bob.goto(ada.url)
    for page in (ada, bob):
        expect(page.locator("#people")).to_have_text("ada, bob")
    tab = bob.context.new_page()
    tab.goto(url)
    tab.click("text=Log out")
    expect(bob.locator("#items")).to_have_text("Log in first.")
    expect(ada.locator("#people")).to_have_text("ada")


def _look_at_rules(browser: Browser, url: str) -> None:
    ada, bob, admin = (window(browser) for _ in range(3))
    log_in(ada, f"{url}/lists/2/", "ada")
    log_in(bob, f"{url}/lists/2/", "bob")
    for page in (ada, bob):
        expect(page.locator("#people")).to_have_text("ada, bob")
    log_in(admin, f"{url}/admin/", "ada")
    admin.goto(f"{url}/admin/lists/list/2/change/")
    admin.select_option("[name=members]", label=["ada"])
    admin.click("[name=_save]")
    expect(bob.locator("#items")).to_have_text("You may no longer be in this room.")
    expect(ada.locator("#people")).to_have_text("ada")
    assert bob.evaluate('lists.emitWithAck("room:join", "lists.1")')["error"]
    assert bob.evaluate('lists.emitWithAck("items", 1)')["error"]
