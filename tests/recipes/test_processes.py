"""What each recipe promises on one process, on two with one Redis: clients take turns at both."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.documents import ROOT
from tests.live.farm import start
from tests.live.servers import Redis
from tests.live.test_javascript import finish
from tests.recipes import (
    test_celery,
    test_dashboard,
    test_django_ninja,
    test_document,
    test_htmx,
    test_language_model,
    test_map,
    test_mobile,
    test_node,
    test_notifications,
    test_online,
    test_python,
    test_rest_framework,
)
from tests.recipes.conftest import Open, browser, opener
from tests.recipes.devices import look_at_two, tokens_of
from tests.recipes.pair import Pair, running

__all__ = ["browser"]  # the fixture
pytestmark = [pytest.mark.full, pytest.mark.redis, pytest.mark.node, pytest.mark.browser]

#: How many of the worker or of the model are part of what a recipe's tests bring about.
TRACEBACKS = {"celery": 1}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    start(server)
    yield server
    server.stop()


@pytest.fixture
def pair(
    request: pytest.FixtureRequest, base: Path, redis: Redis, tmp_path: Path
) -> Iterator[Pair]:
    """The recipe that a test's own name begins with, or that it has as its parameter."""
    page = getattr(request, "param", None) or request.function.__name__.split("_")[1]
    with running(Pair(base, tmp_path, redis), page, TRACEBACKS.get(page, 0)) as pair:
        yield pair


@pytest.fixture
def open_page(pair: Pair, browser: Browser) -> Iterator[Open]:
    with opener(pair, browser) as open_page:
        yield open_page


SCRIPTED: dict[str, Callable[[Pair], None]] = {
    "notifications": test_notifications.test_notification_is_in_all_tabs_of_its_user_alone,
    "online": test_online.test_who_comes_and_goes_is_told_once_for_each_person,
    "dashboard": test_dashboard.test_whoever_comes_has_the_newest_of_each_figure,
    "map": test_map.test_move_is_seen_and_where_it_stopped_is_kept,
    "document": test_document.test_what_two_write_at_once_is_merged_and_stored,
    "mobile": test_mobile.test_token_is_renewed_until_the_password_changes,
    "rest-framework": (
        test_rest_framework.test_devices_of_a_user_hear_what_the_api_saves_until_the_token_is_gone
    ),
    "django-ninja": test_django_ninja.test_devices_of_a_user_hear_what_the_api_saves,
}


@pytest.mark.parametrize("pair", SCRIPTED, indirect=True)
def test_programs_see_one_site(request: pytest.FixtureRequest, pair: Pair) -> None:
    SCRIPTED[request.node.callspec.params["pair"]](pair)


@pytest.mark.parametrize("pair", ["node", "python"], indirect=True)
def test_devices_hear_each_other_and_outlive_a_restart(
    request: pytest.FixtureRequest, pair: Pair
) -> None:
    page = request.node.callspec.params["pair"]
    if page == "node":
        (pair.folder / "device" / "node_modules").symlink_to(ROOT / "node_modules")
    program = {"node": test_node.PROGRAM, "python": test_python.PROGRAM}[page]
    look_at_two(pair, program, tokens_of(pair, page))


def test_document_of_two_pages_converges(pair: Pair, open_page: Open) -> None:
    test_document.test_pages_of_two_converge_and_no_cursor_jumps(open_page)


def test_map_of_two_pages_is_one(pair: Pair, open_page: Open) -> None:
    test_map.test_dragging_moves_oneself_on_all_pages(open_page)


def test_celery_tells_all_tabs(pair: Pair, open_page: Open) -> None:
    test_celery.test_each_tab_follows_the_tasks_of_its_user(open_page)


@pytest.mark.parametrize("pair", ["language-model"], indirect=True)
def test_answer_is_the_same_on_all_tabs_and_each_of_them_stops_it(
    pair: Pair, open_page: Open
) -> None:
    test_language_model.test_answer_is_the_same_on_all_tabs(open_page)
    test_language_model.test_late_tab_catches_up_and_stops_it(open_page)


def test_htmx_pushes_to_all_pages(pair: Pair, open_page: Open) -> None:
    test_htmx.copy_htmx(pair)
    test_htmx.test_fragments_reach_other_pages_and_skip_the_own(open_page)
    test_htmx.test_page_that_was_away_has_the_newest_fragment(open_page)


def test_game_of_one_process_is_not_seen_in_the_other(pair: Pair) -> None:
    pair.visitor("ada")
    pair.visitor("bob")
    pair.url = pair.beside("daphne")
    with pair.script("game", "ada", "bob") as first:
        pair.url = pair.beside("uvicorn")
        pair.node("game", "ada", "bob")
        finish(first)
