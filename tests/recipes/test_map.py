import pytest
from playwright.sync_api import expect

from tests.recipes.conftest import Open
from tests.recipes.recipe import Recipe


@pytest.mark.node
def test_move_is_seen_and_where_it_stopped_is_kept(recipe: Recipe) -> None:
    recipe.node("map", "ada", "bob")


@pytest.mark.browser
def test_dragging_moves_oneself_on_all_pages(open_page: Open) -> None:
    ada, bob = open_page("ada"), open_page("bob")
    for page in (ada, bob):
        page.wait_for_function("socket.connected")
    box = ada.locator("#map").bounding_box()
    assert box is not None
    ada.mouse.move(box["x"] + 10, box["y"] + 10)
    ada.mouse.down()
    ada.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    ada.mouse.up()
    late = open_page("bob")
    for page in (ada, bob, late):
        dot = page.locator("g").filter(has_text="ada")
        expect(dot).to_have_attribute("transform", "translate(50 50)")
    bob.evaluate("socket.listeners('position')[0]('ada', 10, 10, 1)")  # one that was overtaken
    expect(bob.locator("g").filter(has_text="ada")).to_have_attribute(
        "transform", "translate(50 50)"
    )
    expect(open_page().locator("#problem")).to_have_text("Log in first.")
