import pytest
from playwright.sync_api import expect

from tests.recipes.conftest import Open
from tests.recipes.recipe import Recipe

IS_GREEN = """
([...pen.getImageData(0, 0, 400, 400).data].some(
    (value, i, all) => i % 4 === 0 && value === 0 && all[i + 1] === 255 && all[i + 2] === 0
))
"""


@pytest.mark.node
def test_players_join_turn_and_leave(recipe: Recipe) -> None:
    recipe.node("game", "ada", "bob")


@pytest.mark.browser
def test_page_draws_the_field(open_page: Open) -> None:
    ada, bob = open_page("ada"), open_page("bob")
    for page in (ada, bob):
        expect(page.locator("#score")).to_contain_text("ada: ")
        expect(page.locator("#score")).to_contain_text("bob: ")
        page.wait_for_function(IS_GREEN)
    ada.keyboard.press("ArrowUp")
    ada.wait_for_function("socket.connected")
    expect(open_page().locator("#score")).to_have_text("Log in first.")
