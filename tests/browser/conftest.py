import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.person import PASSWORDS, Person
from tests.browser.picture import hills_at_dusk
from tests.browser.site import Site
from tests.browser.visitor import Visitor, state_of

# The first has no window, which is two thirds of what the others cost.
BROWSERS = [
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
]
# It asks nobody on the network for anything, and runs as root in a container.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000


# Playwright's loop counts as running in this thread for as long as it is open, so that neither
# async tests nor the ORM work beside it: it is closed after each module.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    assert found, "Chromium is not installed: make test installs it, WITHOUT=browser does without"
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=["daphne", "uvicorn"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    site = Site(request.param, tmp_path_factory.mktemp(request.param))
    site.manage("migrate", "--verbosity", "0")
    site.manage("chat_demo")
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="session")
def logins(site: Site) -> dict[str, Any]:
    """Cookies of the demo's people, so that each test need not log in again."""
    return {name: state_of(site, name, password) for name, password in PASSWORDS.items()}


@pytest.fixture
def person(browser: Browser, site: Site, logins: dict[str, Any]) -> Iterator[Callable[..., Person]]:
    """Makes people: `person("ada")`, with options for their browser's context."""
    people: list[Person] = []

    def make(name: str, **options: Any) -> Person:
        options.setdefault("storage_state", logins[name])
        someone = Person(browser, site, name, **options)
        someone.context.set_default_timeout(PATIENCE)
        people.append(someone)
        return someone

    yield make
    for someone in people:
        someone.context.close()


@pytest.fixture
def room(site: Site) -> str:
    """The slug of a room of this test's own, which ada has founded."""
    founder = Visitor(site)
    founder.log_in("ada", PASSWORDS["ada"])
    name = f"Room {uuid.uuid4().hex[:8]}"
    founder.post("/", name=name)
    return name.lower().replace(" ", "-")


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "hills.png"
    path.write_bytes(hills_at_dusk())
    return path
