import shutil

import pytest
from playwright.sync_api import Page, expect

from tests.documents import ROOT
from tests.recipes.conftest import Open
from tests.recipes.recipe import Recipe

pytestmark = pytest.mark.browser

HTMX = ROOT / "node_modules" / "htmx.org" / "dist" / "htmx.min.js"
MARKUP = "<img src=x onerror=\"document.title='taken over'\">"


@pytest.fixture(scope="module", autouse=True)
def htmx(recipe: Recipe) -> None:
    copy_htmx(recipe)


def copy_htmx(recipe: Recipe) -> None:
    """As the page says, from npm's package."""
    static = recipe.folder / "hello" / "static" / "hello"
    static.mkdir(parents=True)
    shutil.copy(HTMX, static)


def add(page: Page, text: str) -> int:
    """The status of the answer to the request that adds a note."""
    page.fill("[name=text]", text)
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        page.click("button")
    return answer.value.status


def catch_up(page: Page) -> None:
    """Wait for what was on its way: the answer to an event comes behind it."""
    page.wait_for_function("socket.connected")
    page.evaluate("socket.emitWithAck('an event that nobody handles')")


def opened(open_page: Open, name: str) -> Page:
    """A page with a connected socket, which counts the fragments that are pushed from now on."""
    page = open_page(name, "/notes/")
    catch_up(page)
    page.evaluate("window.fragments = 0; socket.on('fragment', () => fragments++)")
    return page


def pushed(page: Page) -> int:
    catch_up(page)
    count: int = page.evaluate("fragments")
    return count


def test_fragments_reach_other_pages_and_skip_the_own(open_page: Open) -> None:
    ada, tab, bob = opened(open_page, "ada"), opened(open_page, "ada"), opened(open_page, "bob")
    assert add(ada, "Tea") == 200
    for page in (ada, tab, bob):
        expect(page.locator("#notes li")).to_have_text(["Tea"])
    assert add(bob, MARKUP) == 200
    for page in (ada, tab, bob):
        expect(page.locator("#notes li")).to_have_text(["Tea", MARKUP])
        expect(page).not_to_have_title("taken over")
    # Of its own note each page has the answer alone; tabs of the same user have the event.
    assert list(map(pushed, (ada, tab, bob))) == [1, 2, 1]
    assert add(ada, "") == 422
    assert add(ada, "Cake") == 200
    expect(bob.locator("#notes li")).to_have_text(["Tea", MARKUP, "Cake"])
    assert pushed(bob) == 2


def test_page_that_was_away_has_the_newest_fragment(open_page: Open) -> None:
    ada, bob = opened(open_page, "ada"), opened(open_page, "bob")
    bob.evaluate("socket.disconnect()")
    assert add(ada, "Milk") == 200
    expect(bob.locator("#notes")).not_to_contain_text("Milk")
    bob.evaluate("socket.connect()")
    expect(bob.locator("#notes")).to_contain_text("Milk")


def test_what_the_admin_deletes_does_not_come_back(recipe: Recipe, open_page: Open) -> None:
    """The newest fragment is pushed to late pages too, so it must not be older than the page."""
    ada = opened(open_page, "ada")
    assert add(ada, "Sugar") == 200
    pk = recipe.shell("from hello.models import Note; print(Note.objects.last().pk)").strip()
    recipe.visitor("bob").post(f"/admin/hello/note/{pk}/delete/", post="yes")
    expect(ada.locator("#notes")).not_to_contain_text("Sugar")
    late = open_page("ada", "/notes/")
    catch_up(late)
    expect(late.locator("#notes")).not_to_contain_text("Sugar")


def test_visitor_who_is_not_logged_in_gets_nothing(open_page: Open) -> None:
    page = open_page(path="/notes/")
    assert "/accounts/login/" in page.url
