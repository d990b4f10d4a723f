"""A process of two is stopped while people use a recipe, as a deploy does: what they see."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE
from tests.frontend.project import Project, votes_project
from tests.frontend.window import Window
from tests.live.servers import Redis
from tests.recipes import test_document
from tests.recipes.conftest import Open, browser, opener
from tests.recipes.frontends import button, shows
from tests.recipes.pair import Pair, running
from tests.recipes.recipe import SERVERS
from tests.recipes.test_htmx import add, copy_htmx
from tests.recipes.test_language_model import ask, words
from tests.recipes.test_notifications import notify
from tests.recipes.test_processes import redis

__all__ = ["browser", "redis"]  # the fixtures
pytestmark = [pytest.mark.full, pytest.mark.redis, pytest.mark.node, pytest.mark.browser]


SEEN = "window.seen = []; socket.on('figure', (name, n) => name === 'ticks' && seen.push(n))"
GONE = "window.gone = []; socket.on('presence:diff', (room, { left }) => gone.push(...left))"


class People:
    """Ada is on the process that will be stopped, and Bob on the one that stays."""

    def __init__(self, pair: Pair, stopped: str, open_page: Open) -> None:
        self._pair = pair
        self._stopped = stopped
        self._stays = next(kind for kind in SERVERS if kind != stopped)
        self._open_page = open_page

    def on_stopped(self, name: str, path: str = "/", **options: object) -> Page:
        return self._open(name, path, self._stopped, **options)

    def on_other(self, name: str, path: str = "/", **options: object) -> Page:
        return self._open(name, path, self._stays, **options)

    def _open(self, name: str, path: str, kind: str, **options: object) -> Page:
        return self._open_page(name, path, url=self._pair.beside(kind), **options)

    def stop_it(self) -> None:
        self._pair.terminate(self._stopped).stop()


@pytest.fixture(params=SERVERS)
def stopped(request: pytest.FixtureRequest) -> str:
    """The server of the process that is stopped."""
    kind: str = request.param
    return kind


@pytest.fixture
def pair(
    request: pytest.FixtureRequest, base: Path, redis: Redis, tmp_path: Path
) -> Iterator[Pair]:
    page = request.function.__name__.removeprefix("test_").partition("_of_")[0].replace("_", "-")
    with running(Pair(base, tmp_path, redis), page) as pair:
        yield pair


@pytest.fixture
def people(pair: Pair, stopped: str, browser: Browser) -> Iterator[People]:
    with opener(pair, browser) as open_page:
        yield People(pair, stopped, open_page)


def test_language_model_of_a_stopped_process_ends_soon_or_says_so(people: People) -> None:
    ada, tab = people.on_stopped("ada"), people.on_other("ada")
    ask(ada, " ".join(f"w{number}" for number in range(600)))
    expect(tab.locator("#answers p").last).to_contain_text(" w3 ")
    ask(ada, "why?")
    expect(tab.locator("#answers p")).to_have_count(2)
    people.stop_it()
    for page in (ada, tab):
        answers = page.locator("#answers > div")
        expect(answers.first).to_contain_text("interrupted")
        expect(answers.last).to_contain_text("You want to know: why? complete")
        expect(page.locator("#problem")).to_have_text("")
    assert words(ada, 0) == words(tab, 0)
    ask(ada, "and now?")
    expect(tab.locator("#answers > div").last).to_contain_text("and now? complete")


def test_document_of_a_stopped_process_converges(people: People) -> None:
    prepare = test_document.without_network
    ada, bob = (open("ada", prepare=prepare) for open in (people.on_stopped, people.on_other))
    ada.fill("#area", "one ")
    expect(bob.locator("#area")).to_have_value("one ")
    ada.press("#area", "Control+End")
    bob.press("#area", "Control+Home")
    people.stop_it()
    ada.keyboard.type("two 😀")
    bob.keyboard.type("zero ")
    for page in (ada, bob):
        expect(page.locator("#area")).to_have_value("zero one two 😀")
    ada.press("#area", "Backspace")
    ada.keyboard.type("😁")
    for page in (ada, bob):
        expect(page.locator("#area")).to_have_value("zero one two 😁")
    expect(ada.locator("#area")).to_have_attribute("placeholder", "")


def test_map_of_a_stopped_process_has_everybody_where_they_were(people: People) -> None:
    ada, bob = people.on_stopped("ada"), people.on_other("bob")
    box = ada.locator("#map").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    ada.mouse.move(box["x"] + 10, box["y"] + 10)
    ada.mouse.down()
    ada.mouse.move(*middle, steps=5)
    ada.evaluate("socket.emitWithAck('move', 50, 50, false)")
    people.stop_it()
    late = people.on_other("bob")
    for page in (bob, late):
        dot = page.locator("g").filter(has_text="ada")
        expect(dot).to_have_attribute("transform", "translate(50 50)")
    ada.wait_for_function("socket.connected")
    ada.mouse.move(middle[0] + box["width"] / 4, middle[1])
    ada.mouse.up()
    for page in (ada, bob, late):
        dot = page.locator("g").filter(has_text="ada")
        expect(dot).to_have_attribute("transform", "translate(75 50)")
    expect(ada.locator("#problem")).to_have_text("")


def test_dashboard_of_a_stopped_process_misses_and_repeats_nothing(
    people: People, pair: Pair
) -> None:
    ada, bob = people.on_stopped("ada"), people.on_other("bob")
    for page in (ada, bob):
        page.evaluate(SEEN)
    key = {"X-Report-Key": "choose a long one"}
    for value in range(1, 21):
        if value == 10:
            people.stop_it()
        urlopen(Request(f"{pair.url}/figures/ticks/", str(value).encode(), key)).close()
    for page in (ada, bob):
        page.wait_for_function("seen.at(-1) === 20")
        expect(page.locator("#state")).to_have_text("live")
        expect(page.locator("#figures")).to_contain_text("ticks20")
        seen = page.evaluate("seen")
        assert seen == sorted(set(seen))


def test_game_of_a_stopped_process_goes_on_in_the_other(people: People) -> None:
    ada, bob = people.on_stopped("ada"), people.on_other("bob")
    for page, name in ((ada, "ada"), (bob, "bob")):
        expect(page.locator("#score")).to_have_text(re.compile(rf"^{name}: \d+$"))
    people.stop_it()
    for page in (ada, bob):
        expect(page.locator("#score")).to_have_text(re.compile(r"^bob: \d+, ada: \d+$"))


def test_celery_of_a_stopped_web_process_is_followed_on(people: People) -> None:
    ada, tab = people.on_stopped("ada"), people.on_other("ada")
    ada.fill("#pages", "11")
    ada.click("button")
    expect(tab.locator("#tasks li")).to_contain_text("of 11")
    people.stop_it()
    for page in (ada, tab, people.on_other("ada")):
        expect(page.locator("#tasks li")).to_have_text(["11 pages"])
        expect(page.locator("#problem")).to_have_text("")


def test_htmx_of_a_stopped_process_has_the_newest_fragment(people: People, pair: Pair) -> None:
    copy_htmx(pair)
    ada, bob = people.on_stopped("ada", "/notes/"), people.on_other("bob", "/notes/")
    add(ada, "Tea")
    expect(bob.locator("#notes li")).to_have_text(["Tea"])
    people.stop_it()
    add(bob, "Cake")
    expect(ada.locator("#notes li")).to_have_text(["Tea", "Cake"])
    add(ada, "Milk")
    for page in (ada, bob):
        expect(page.locator("#notes li")).to_have_text(["Tea", "Cake", "Milk"])


def test_notifications_of_a_stopped_process_are_all_there(people: People, pair: Pair) -> None:
    tab, other = people.on_stopped("bob"), people.on_other("bob")
    notify(pair, "before")
    for page in (tab, other):
        expect(page.locator("#inbox li")).to_have_text(["before"])
    people.stop_it()
    notify(pair, "after")
    for page in (tab, other):
        expect(page.locator("#inbox li")).to_have_text(["after", "before"])
        expect(page.locator("#unread")).to_have_text("2")
    tab.locator("#inbox li").last.click()
    for page in (tab, other):
        expect(page.locator("#unread")).to_have_text("1")
        expect(page.locator("#problem")).to_have_text("")


def test_online_of_a_stopped_process_stay_listed(people: People) -> None:
    ada, bob = people.on_stopped("ada"), people.on_other("bob")
    for page in (ada, bob):
        expect(page.locator("#people li")).to_have_count(2)
    bob.evaluate(GONE)
    people.stop_it()
    for page in (ada, bob):
        page.wait_for_function("socket.connected")
        expect(page.locator("#people li")).to_have_count(2)
    assert bob.evaluate("gone") == []


class FrontEnd(Pair, Project):
    """The project of docs/bundlers.md on two processes."""


@pytest.mark.parametrize(
    ("page", "stopped"), [("react", "daphne"), ("vue", "uvicorn"), ("svelte", "daphne")]
)
def test_front_end_of_a_stopped_process_connects_to_the_other(
    page: str,
    stopped: str,
    redis: Redis,
    browser: Browser,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running(FrontEnd(votes_project(tmp_path_factory), tmp_path, redis), page) as pair:
        built = pair.npm("run", "build")
        assert built.returncode == 0, built.stdout + built.stderr
        one, two = (Window(browser, pair.beside(kind)) for kind in SERVERS)
        for window, tea in ((one, 1), (two, 2)):
            shows(window, tea=tea - 1)
            button(window, "Tea").first.click()
            for each in (one, two):
                shows(each, tea=tea)
        pair.terminate(stopped).stop()
        for window, tea in ((one, 3), (two, 4)):
            expect(button(window, "Tea").first).to_be_enabled(timeout=PATIENCE)
            button(window, "Tea").first.click()
            for each in (one, two):
                shows(each, tea=tea)
        for window in (one, two):
            window.close()
