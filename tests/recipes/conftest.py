"""Each module `test_NAME.py` follows docs/recipes/NAME.md, and is given its running site."""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PATIENCE, browser
from tests.documents import ROOT
from tests.follower import five_minutes
from tests.recipes.recipe import SERVERS, Recipe, problems

__all__ = ["browser"]  # the fixture

PAGES = ROOT / "docs" / "recipes"
Open = Callable[..., Page]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each recipe runs under one of the servers, in turns, and under both with `--full`."""
    if "web_server" in metafunc.fixturenames:
        modules = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
        mine = SERVERS[modules.index(metafunc.module.__name__.rpartition(".")[2]) % 2]
        full = metafunc.config.getoption("full")
        metafunc.parametrize("web_server", SERVERS if full else [mine], scope="module")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that the five minutes and the recipes' index leave, made once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if "popen" in folder.name:  # as a worker of pytest-xdist has it
        folder = folder.parent
    folder = folder / "recipes"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            follower = five_minutes(folder)
            follower.follow("docs/recipes/index.md")
            (folder / "made").touch()
    return folder / "mysite"


@pytest.fixture(scope="module")
def environment() -> Mapping[str, str]:
    """What the project's processes have in their environment; for a module to override."""
    return {}


@pytest.fixture(scope="module")
def tracebacks() -> int:
    """How many a module's tests bring about in the logs; for a module to override."""
    return 0


@pytest.fixture(scope="module")
def recipe(
    request: pytest.FixtureRequest,
    base: Path,
    environment: Mapping[str, str],
    tracebacks: int,
    web_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Recipe]:
    name = request.module.__name__.rpartition(".test_")[2].replace("_", "-")
    recipe = Recipe(base, tmp_path_factory.mktemp(name), web_server)
    recipe.environment |= environment
    try:
        recipe.follow(f"docs/recipes/{name}.md")
        if not recipe.processes:  # the index says it for all
            recipe.start(["python manage.py runserver"])
        yield recipe
    finally:
        recipe.stop()
    assert len(problems(recipe.log)) == tracebacks, recipe.log


@pytest.fixture
def open_page(recipe: Recipe, browser: Browser) -> Iterator[Open]:
    with opener(recipe, browser) as open_page:
        yield open_page


@contextmanager
def opener(recipe: Recipe, browser: Browser) -> Iterator[Open]:
    """Opens the recipe's page as somebody, in a browser of their own: `open_page("ada")`."""
    contexts = []

    def open_page(
        name: str = "",
        path: str = "/",
        prepare: Callable[[Page], None] | None = None,
        url: str = "",
    ) -> Page:
        state = recipe.visitor(name).state if name else None
        contexts.append(browser.new_context(base_url=url or recipe.url, storage_state=state))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        if prepare:
            prepare(page)
        page.goto(path)
        return page

    try:
        yield open_page
    finally:
        for context in contexts:
            context.close()
