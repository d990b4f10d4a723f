"""Recipes on two web processes with one Redis, behind a balancer that takes turns."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.balancer import Balancer
from tests.live.farm import start
from tests.live.servers import Redis
from tests.live.test_javascript import finish
from tests.ports import free_port
from tests.recipes import test_notifications, test_online
from tests.recipes.recipe import Recipe, problems

pytestmark = [pytest.mark.full, pytest.mark.redis, pytest.mark.node]

LAYER = """
CHANNEL_LAYERS = {{
    "default": {{
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {{"hosts": ["{}"]}},
    }}
}}
"""


class Pair(Recipe):
    """A recipe of which there are two processes, one of each server."""

    def __init__(self, base: Path, folder: Path, redis: Redis) -> None:
        super().__init__(base, folder, "daphne")
        with (self.folder / "mysite" / "settings.py").open("a") as settings:
            settings.write(LAYER.format(redis.url))
        self.ports: list[int] = []

    def start(self, commands: list[str]) -> None:
        for self.kind in ("daphne", "uvicorn"):
            self.port = free_port()
            self.ports.append(self.port)
            super().start(commands)


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
    """The recipe that the test is named after: `test_online_...`."""
    name = request.function.__name__.split("_")[1]
    pair = Pair(base, tmp_path, redis)
    try:
        pair.follow(f"docs/recipes/{name}.md")
        pair.start(["python manage.py runserver"])
        with balanced(pair.ports) as port:
            pair.url = f"http://127.0.0.1:{port}"
            yield pair
    finally:
        pair.stop()
    assert not problems(pair.log), pair.log


@contextmanager
def balanced(ports: Sequence[int]) -> Iterator[int]:
    """A balancer in a thread of its own, while the test waits for its scripts: its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    balancer = Balancer(ports)
    try:
        asyncio.run_coroutine_threadsafe(balancer.__aenter__(), loop).result()
        yield balancer.port
        asyncio.run_coroutine_threadsafe(balancer.__aexit__(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_notifications_of_two_processes_reach_all_tabs(pair: Pair) -> None:
    test_notifications.test_notification_is_in_all_tabs_of_its_user_alone(pair)


def test_online_of_two_processes_is_one_list(pair: Pair) -> None:
    test_online.test_who_comes_and_goes_is_told_once_for_each_person(pair)


def test_game_of_one_process_is_not_seen_in_the_other(pair: Pair) -> None:
    pair.visitor("ada")
    pair.visitor("bob")
    pair.url = f"http://127.0.0.1:{pair.ports[0]}"
    with pair.script("game", "ada", "bob") as first:
        pair.url = f"http://127.0.0.1:{pair.ports[1]}"
        pair.node("game", "ada", "bob")
        finish(first)
