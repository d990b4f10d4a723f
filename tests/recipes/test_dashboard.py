import pytest
from playwright.sync_api import expect

from tests.recipes.conftest import Open
from tests.recipes.recipe import Recipe


@pytest.mark.node
def test_whoever_comes_has_the_newest_of_each_figure(recipe: Recipe) -> None:
    recipe.node("dashboard", "ada")


@pytest.mark.browser
def test_page_shows_them(open_page: Open) -> None:
    page = open_page("ada")
    expect(page.locator("#figures tr")).to_have_count(2)
    expect(page.locator("#figures tr").first).to_contain_text("EUR")
    expect(page.locator("#state")).to_have_text("live")
