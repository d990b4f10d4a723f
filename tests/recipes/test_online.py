import pytest
from playwright.sync_api import expect

from tests.recipes.conftest import Open
from tests.recipes.recipe import Recipe


@pytest.mark.node
def test_who_comes_and_goes_is_told_once_for_each_person(recipe: Recipe) -> None:
    recipe.node("online", "ada", "bob")


@pytest.mark.browser
def test_pages_list_both(open_page: Open) -> None:
    ada, bob = open_page("ada"), open_page("bob")
    for page in (ada, bob):
        expect(page.locator("#people li")).to_have_text(["ada", "bob"])
    expect(open_page().locator("#problem")).to_have_text("Log in first.")
