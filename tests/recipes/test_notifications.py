import pytest
from playwright.sync_api import expect

from tests.live.test_javascript import finish
from tests.recipes.conftest import Open
from tests.recipes.recipe import Recipe


@pytest.mark.node
def test_notification_is_in_all_tabs_of_its_user_alone(recipe: Recipe) -> None:
    notify(recipe, "missed")
    with recipe.script("notifications", "ada", "bob") as script:
        assert script.stdout is not None
        assert script.stdout.readline() == "send\n"
        notify(recipe, "seen at once")
        finish(script)


def notify(recipe: Recipe, text: str) -> None:
    """As the page says: ada adds it in the admin."""
    bob = "2"  # his primary key: he is the second user of the recipes' index
    recipe.visitor("ada").post("/admin/hello/notification/add/", user=bob, text=text)


@pytest.mark.browser
def test_read_in_one_tab_is_read_in_all(recipe: Recipe, open_page: Open) -> None:
    notify(recipe, "on the pages")
    one, two = open_page("bob"), open_page("bob")
    for page in (one, two):
        expect(page.locator("#inbox li").first).to_have_text("on the pages")
    count = int(one.locator("#unread").inner_text())
    one.locator("#inbox li").first.click()
    for page in (one, two):
        expect(page.locator("#unread")).to_have_text(str(count - 1))
    notify(recipe, "a newer one")
    for page in (one, two):
        expect(page.locator("#inbox li").first).to_have_text("a newer one")
        expect(page.locator("#unread")).to_have_text(str(count))
    recipe.shell("from hello.models import Notification; Notification.objects.first().delete()")
    one.evaluate("socket.disconnect().connect()")
    expect(one.locator("#inbox li").first).to_have_text("on the pages")
    recipe.visitor("bob").post("/admin/logout/", page="/admin/")
    for page in (one, two):
        expect(page.locator("#problem")).to_have_text("Log in first.")
        expect(page.locator("#inbox li")).to_have_count(0)
    expect(open_page().locator("#problem")).to_have_text("Log in first.")
