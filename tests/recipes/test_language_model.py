import pytest
from playwright.sync_api import Page, expect

from tests.recipes.conftest import Open
from tests.recipes.recipe import Recipe

pytestmark = pytest.mark.browser

LONG = " ".join(f"w{number}" for number in range(600))


@pytest.fixture(scope="module")
def tracebacks() -> int:
    """One for the model that fails."""
    return 1


def ask(page: Page, question: str) -> None:
    page.fill("input", question)
    page.press("input", "Enter")


def words(page: Page, answer: int = -1) -> list[str]:
    return page.locator("#answers p").nth(answer).inner_text().split()


def test_answer_is_the_same_on_all_tabs(open_page: Open) -> None:
    asking, other, stranger = open_page("ada"), open_page("ada"), open_page("bob")
    ask(asking, "why?")
    for page in (asking, other):
        expect(page.locator("#answers b")).to_have_text("why?")
        expect(page.locator("#answers p")).to_have_text("You want to know: why? ")
        expect(page.locator("#answers")).to_contain_text("complete")
    ask(stranger, "who?")
    expect(stranger.locator("#answers")).to_contain_text("complete")
    for page in (asking, other):
        expect(page.locator("#answers b")).to_have_count(1)


def test_late_tab_catches_up_and_stops_it(open_page: Open) -> None:
    """The tab that asked is closed, which does not stop the answer."""
    asking, other = open_page("ada"), open_page("ada")
    ask(asking, LONG)
    expect(other.locator("#answers p").last).to_contain_text(" w3 ")
    asking.context.close()
    late = open_page("ada")
    expect(late.locator("#answers p").last).to_contain_text(" w9 ")
    late.locator("button").click()
    for page in (other, late):
        expect(page.locator("#answers > div").last).to_contain_text("stopped")
    assert words(late) == words(other)
    assert words(late) == f"You want to know: {LONG}".split()[: len(words(late))]
    assert len(words(late)) < 600


def test_model_that_fails_is_told(recipe: Recipe, open_page: Open) -> None:
    path = recipe.folder / "hello" / "consumers.py"
    code, answered = path.read_text(), '        yield f"{word} "\n'
    assert answered in code
    path.write_text(code.replace(answered, f"        assert word != 'nonsense'\n{answered}"))
    page = open_page("bob")
    page.wait_for_function("socket.connected")
    recipe.stop()
    page.wait_for_function("problem.textContent !== ''")
    recipe.start(["python manage.py runserver"])
    expect(page.locator("#problem")).to_have_text("")
    ask(page, "some nonsense please")
    expect(page.locator("#answers > div").last).to_contain_text("failed")
    assert words(page) == ["You", "want", "to", "know:", "some"]


def test_nobody_asks_without_a_login(open_page: Open) -> None:
    expect(open_page().locator("#problem")).to_have_text("Log in first.")
