"""What the pages of recipes have in common."""

import re
from pathlib import Path

import pytest

from tests.documents import ROOT, blocks

PAGES = ROOT / "docs" / "recipes"
INDEX = PAGES / "index.md"
RECIPES = sorted(page for page in PAGES.glob("*.md") if page != INDEX)
#: Pages that show one thing in so many languages or frameworks, each as long as a recipe.
VARIANTS: dict[str, int] = {"mobile": 2}  # the site's part, and the phone's

each = pytest.mark.parametrize("page", RECIPES, ids=lambda page: page.stem)


@each
def test_index_has_a_line_about_it(page: Path) -> None:
    assert re.search(rf"^- \[.+\]\({page.name}\): .+", INDEX.read_text(), re.MULTILINE)


@each
def test_it_is_seen_working(page: Path) -> None:
    assert (Path(__file__).parent / f"test_{page.stem.replace('-', '_')}.py").exists()


@each
def test_it_is_30_to_60_lines_to_copy(page: Path) -> None:
    document = page.relative_to(ROOT).as_posix()
    code = "".join(b.code for b in blocks() if b.document == document and b.path)
    lines = [line for line in code.splitlines() if line.strip()]
    assert 30 <= len(lines) <= 60 * VARIANTS.get(page.stem, 1), f"{len(lines)} lines"


@each
def test_it_has_the_sections_of_a_recipe(page: Path) -> None:
    titles = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert titles[-2:] == ["See it work", "For production"]
