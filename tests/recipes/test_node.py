import pytest

from tests.documents import ROOT
from tests.recipes.devices import look_at_refusals, look_at_two, tokens
from tests.recipes.recipe import Recipe

pytestmark = pytest.mark.node

__all__ = ["tokens"]  # the fixture

PROGRAM = ("node", "thermometer.mjs")


@pytest.fixture(autouse=True, scope="module")
def packages(recipe: Recipe) -> None:
    (recipe.folder / "device" / "node_modules").symlink_to(ROOT / "node_modules")


def test_programs_hear_each_other_and_outlive_a_restart(
    recipe: Recipe, tokens: dict[str, str]
) -> None:
    look_at_two(recipe, PROGRAM, tokens)


def test_program_ends_when_its_token_is_refused(recipe: Recipe, tokens: dict[str, str]) -> None:
    look_at_refusals(recipe, PROGRAM, tokens)
