"""docs/bundlers.md, followed: Vite's build and its server, the client as a module, and tsc."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect

from tests.frontend.project import Project, votes_project
from tests.frontend.window import Window
from tests.live.servers import OPTIONS, Process
from tests.recipes.recipe import problems

pytestmark = [pytest.mark.browser, pytest.mark.node]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    base = votes_project(tmp_path_factory)
    return Project(base, tmp_path_factory.mktemp("bundlers"), "daphne")


@contextmanager
def served(project: Project, kind: str, settings: str) -> Iterator[str]:
    server = Process(
        f"{kind}-{settings}",
        [
            *(sys.executable, "-m", kind, *OPTIONS[kind], "--port", str(project.port)),
            "mysite.asgi:application",
        ],
        project.folder.parent,
        port=project.port,
        environment=project.environment | {"DJANGO_SETTINGS_MODULE": f"mysite.{settings}"},
        cwd=project.folder,
    )
    server.start()
    try:
        server.wait()
        yield project.url
    finally:
        server.stop()
    assert not problems(server.log.read_text())


def votes(window: Window) -> int:
    """How many votes for tea the window shows, as soon as it shows any."""
    counts = window.page.locator("#counts")
    expect(counts).to_contain_text("tea")
    return int((counts.text_content() or "").split()[1].rstrip(","))


def vote(one: Window, *all: Window) -> None:
    before = votes(one)
    one.page.click("#tea")
    for window in all:
        expect(window.page.locator("#counts")).to_contain_text(f"tea {before + 1}, coffee")


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_built_page_and_module_hear_each_other(
    project: Project, browser: Browser, server: str
) -> None:
    with served(project, server, "production") as url:
        built, module = Window(browser, url), Window(browser, f"{url}/modules/")
        vote(built, built, module)
        vote(module, module, built)
        for window in (built, module):
            window.wait_for(open=1, handshakes=1)
            window.close()


@pytest.mark.parametrize(
    ("server", "options"),
    [("daphne", "ws: true"), ("uvicorn", "ws: true, changeOrigin: true")],
    ids=["as_printed", "change_origin"],
)
def test_page_of_the_dev_server_is_connected_through_its_proxy(
    project: Project, browser: Browser, server: str, options: str
) -> None:
    config = project.frontend / "vite.config.js"
    printed = config.read_text()
    config.write_text(printed.replace("ws: true", options))
    with served(project, server, "settings"), project.dev() as url:
        one, two = Window(browser, url), Window(browser, url)
        vote(one, one, two)
        one.wait_for(open=1, handshakes=1)
        project.edit("main.ts", '"connected"', '"here we are"')
        expect(one.page.locator("#state")).to_have_text("here we are")
        one.wait_for(handshakes=2)  # with that of the new page
        for window in (one, two):
            window.close()
    config.write_text(printed)
    project.edit("main.ts", '"here we are"', '"connected"')


MISTAKES = """import { votes } from "./socket";
votes.on("count", () => {});
votes.on("counts", ({ sugar }) => sugar);
votes.emit("votes", "tea");
votes.emit("vote", "milk");
"""


def test_compiler_finds_wrong_names_and_types_of_events(project: Project) -> None:
    path = project.frontend / "src" / "mistakes.ts"
    path.write_text(MISTAKES)
    checked = project.npm("run", "check")
    path.unlink()
    assert checked.returncode != 0
    assert re.findall(r"^src/(\S+?)\((\d+),", checked.stdout, re.MULTILINE) == [
        ("mistakes.ts", str(line)) for line in (2, 3, 4, 5)
    ]
