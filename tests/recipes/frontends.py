"""What the pages for React, Vue and Svelte promise alike."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.frontend.project import Project, votes_project
from tests.frontend.window import Window


@pytest.fixture(scope="module")
def recipe(
    request: pytest.FixtureRequest,
    web_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    """The page's project, which begins with that of docs/bundlers.md; Django is running."""
    name = request.module.__name__.rpartition(".test_")[2]
    base = votes_project(tmp_path_factory)
    project = Project(base, tmp_path_factory.mktemp(name), web_server)
    project.follow(f"docs/recipes/{name}.md")
    project.start(["python manage.py runserver"])
    yield project
    project.stop()


def button(window: Window, name: str) -> Locator:
    return window.page.get_by_role("button", name=name)


def shows(window: Window, tea: int) -> None:
    """Both components are connected and show the counts."""
    lines = window.page.locator("section p")
    expect(lines).to_have_text(["connected", f"tea {tea}, coffee 0"] * 2)


def look_at_it(project: Project, browser: Browser, edited: str) -> None:
    """In development, where the component `edited` is edited, and built."""
    _look_at_it_in_development(project, browser, edited)
    _look_at_it_built(project, browser)


def _look_at_it_in_development(project: Project, browser: Browser, edited: str) -> None:
    with project.dev() as url:
        one, two = Window(browser, url), Window(browser, url)
        for window in (one, two):
            shows(window, tea=0)
            window.wait_for(open=1, handshakes=1)
            assert window.listeners() == [1, 1, 1]
        button(one, "Tea").first.click()
        for window in (one, two):
            shows(window, tea=1)
        _come_and_go(one)
        _reload_what_was_edited(project, two, edited)
        for window in (one, two):
            window.close()


def _come_and_go(window: Window) -> None:
    toggle = button(window, "Show or hide")
    toggle.click()
    window.wait_for(open=0, handshakes=1)
    assert window.listeners() == [0, 0, 0]
    toggle.click()
    shows(window, tea=1)
    window.wait_for(open=1, handshakes=2)
    assert window.listeners() == [1, 1, 1]


def _reload_what_was_edited(project: Project, window: Window, edited: str) -> None:
    before = window.handshakes
    window.page.evaluate("window.same = true")
    project.edit(edited, ">Coffee<", ">Espresso<")
    expect(button(window, "Espresso")).to_have_count(2)
    project.edit(edited, ">Espresso<", ">Coffee<")
    expect(button(window, "Coffee")).to_have_count(2)
    shows(window, tea=1)
    window.wait_for(open=1, handshakes=before)
    assert window.listeners() == [1, 1, 1]
    assert window.page.evaluate("window.same"), "the page was loaded again"
    project.edit("socket.ts", 'io("/votes"', 'io(  "/votes"')
    window.wait_for(handshakes=before + 1)
    assert not window.page.evaluate("window.same")
    shows(window, tea=1)


def _look_at_it_built(project: Project, browser: Browser) -> None:
    built = project.npm("run", "build")
    assert built.returncode == 0, built.stdout + built.stderr
    one, two = Window(browser, project.url), Window(browser, project.url)
    for window in (one, two):
        shows(window, tea=1)
    button(two, "Tea").last.click()
    for window in (one, two):
        shows(window, tea=2)
        window.wait_for(open=1, handshakes=1)
        button(window, "Show or hide").click()
        window.wait_for(open=0, handshakes=1)
        window.close()


def look_for_types(project: Project, edited: str, right: str, wrong: str) -> None:
    """The page's own check reads its components."""
    project.edit(edited, right, wrong)
    checked = project.npm("run", "check")
    assert checked.returncode != 0
    assert "milk" in checked.stdout
    project.edit(edited, wrong, right)
