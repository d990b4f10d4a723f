import pytest
from playwright.sync_api import Browser

from tests.frontend.project import Project
from tests.recipes.frontends import look_at_it, look_for_types, recipe

__all__ = ["recipe"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.node]


def test_components_share_a_connection_and_leave_none(recipe: Project, browser: Browser) -> None:
    look_for_types(recipe, "Votes.vue", "votes.emit('vote', 'tea')", "votes.emit('vote', 'milk')")
    look_at_it(recipe, browser, "Votes.vue")
