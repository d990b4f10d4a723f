from collections.abc import Iterator, Mapping

import pytest
from playwright.sync_api import Page, expect

from tests.live.servers import Redis
from tests.recipes.conftest import Open
from tests.recipes.recipe import Recipe

pytestmark = [pytest.mark.browser, pytest.mark.redis]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    redis = Redis(tmp_path_factory.mktemp("redis"))
    redis.start()
    redis.wait()
    yield {"REDIS_URL": redis.url}
    redis.stop()


@pytest.fixture(scope="module")
def tracebacks() -> int:
    """One for the task that fails, in the worker's log."""
    return 1


def count(page: Page, pages: int) -> None:
    page.fill("#pages", str(pages))
    page.click("button")


def test_each_tab_follows_the_tasks_of_its_user(open_page: Open) -> None:
    ada, tab, bob = open_page("ada"), open_page("ada"), open_page("bob")
    tab.evaluate("window.seen = []; socket.on('task', (task) => seen.push(task))")
    tab.wait_for_function("socket.connected")
    count(ada, 3)
    for page in (ada, tab):
        expect(page.locator("#tasks li")).to_have_text(["3 pages"])
    *steps, end = tab.evaluate("seen")
    assert end["result"] == "3 pages"
    # Where one waits for a tab that is slow, the next takes its place.
    done = [step["done"] for step in steps]
    assert done == sorted(set(done)) and set(done) <= {0, 1, 2}
    count(ada, 14)
    for page in (ada, tab):
        expect(page.locator("#tasks li")).to_have_text(["3 pages", "Page 13 is missing."])
    answer = ada.evaluate("socket.emitWithAck('start', 1_000_000)")
    assert answer["error"]["code"] == "bad_arguments"
    late = open_page("ada")
    expect(late.locator("#tasks li")).to_have_count(2)
    expect(late.locator("#tasks")).to_contain_text("3 pages")
    expect(late.locator("#tasks")).to_contain_text("Page 13 is missing.")
    expect(bob.locator("#tasks li")).to_have_count(0)


def test_nobody_starts_one_without_a_login(open_page: Open) -> None:
    expect(open_page().locator("#problem")).to_have_text("Log in first.")


ROLLED_BACK = """
from django.contrib.auth.models import User
from django.db import transaction
from hello.tasks import count_pages

bob = User.objects.get(username="bob")
with transaction.atomic():
    count_pages.delay_on_commit(bob.pk, 1)
    transaction.set_rollback(True)
with transaction.atomic():
    count_pages.delay_on_commit(bob.pk, 2)
"""


def test_task_of_a_rolled_back_transaction_never_starts(recipe: Recipe, open_page: Open) -> None:
    bob = open_page("bob")
    recipe.shell(ROLLED_BACK)
    expect(bob.locator("#tasks li")).to_have_text(["2 pages"])
