import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.documents import ROOT
from tests.follower import PASSWORD
from tests.recipes.conftest import Open
from tests.recipes.recipe import Recipe

CDN = "https://esm.sh/"
EVE = f"""
from django.contrib.auth.models import User
User.objects.create_user("eve", password="{PASSWORD}")
"""
STORED = """
from hello.models import Change
from pycrdt import Doc, Text
whole = Doc()
for change in Change.objects.filter(document="notes"):
    try:
        whole.apply_update(bytes(change.data))
    except RuntimeError:
        pass
print(whole.get("text", type=Text))
"""


@pytest.mark.node
def test_what_two_write_at_once_is_merged_and_stored(recipe: Recipe) -> None:
    recipe.shell(EVE)
    seen = recipe.node("document", "ada", "bob", "eve")
    assert "in a tunnel" in seen
    assert recipe.shell(STORED) == seen


def without_network(page: Page) -> None:
    """Yjs and what it imports come from node_modules, instead of the CDN."""

    def fulfill(route: Route) -> None:
        name = route.request.url.removeprefix(CDN)
        path = "yjs/dist/yjs.mjs" if name.startswith("yjs@") else name
        code = (ROOT / "node_modules" / path).read_text()
        code = re.sub(r"from '(lib0/[\w/]+)'", rf"from '{CDN}\1.js'", code)
        headers = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(body=code, content_type="text/javascript", headers=headers)

    page.route(f"{CDN}**", fulfill)


@pytest.mark.browser
def test_pages_of_two_converge_and_no_cursor_jumps(open_page: Open) -> None:
    ada, bob = (open_page(name, prepare=without_network) for name in ("ada", "bob"))
    ada.fill("#area", "one three")
    expect(bob.locator("#area")).to_have_value("one three")
    ada.evaluate("area.setSelectionRange(4, 4)")
    bob.press("#area", "Control+End")
    for hers, his in zip("two ", " 4 5", strict=True):
        ada.keyboard.type(hers)
        bob.keyboard.type(his)
    for page in (ada, bob):
        expect(page.locator("#area")).to_have_value("one two three 4 5")
    ada.fill("#area", "😀")
    ada.fill("#area", "😁")
    for page in (ada, bob):
        expect(page.locator("#area")).to_have_value("😁")
    late = open_page("bob", prepare=without_network)
    expect(late.locator("#area")).to_have_value("😁")
    stranger = open_page(prepare=without_network)
    expect(stranger.locator("#area")).to_have_attribute("placeholder", "Log in first.")
