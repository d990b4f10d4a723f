"""A recipe on two web processes, one of each server, with one Redis and balancers in front."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.documents import blocks
from tests.live.balancer import Balancer, Preferring
from tests.live.servers import Process, Redis
from tests.ports import free_port
from tests.recipes.recipe import SERVERS, Recipe, problems


def settings(redis: Redis) -> str:
    """What the recipes' index says is needed for several processes."""
    index = (block for block in blocks() if block.document == "docs/recipes/index.md")
    code = next(block.code for block in index if block.note == "settings")
    printed = "redis://127.0.0.1:6379/0"
    assert printed in code
    return code.replace(printed, redis.url)


class Balancers:
    """In a thread of their own, while the test waits for its clients."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._open: list[Balancer] = []

    def start(self, balancer: Balancer) -> str:
        """The address that it then has."""
        asyncio.run_coroutine_threadsafe(balancer.__aenter__(), self._loop).result(60)
        self._open.append(balancer)
        return f"http://127.0.0.1:{balancer.port}"

    def stop(self) -> None:
        try:
            for balancer in self._open:
                asyncio.run_coroutine_threadsafe(balancer.__aexit__(), self._loop).result(60)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


class Pair(Recipe):
    """At `url` clients take turns, at `beside("daphne")` they are on that process while it runs."""

    def __init__(self, base: Path, folder: Path, redis: Redis) -> None:
        super().__init__(base, folder, SERVERS[0])
        self.environment["REDIS_URL"] = redis.url
        with (self.folder / "mysite" / "settings.py").open("a") as file:
            file.write(settings(redis))
        self.ports = {kind: free_port() for kind in SERVERS}
        self.balancers = Balancers()
        self.url = self.balancers.start(Balancer([*self.ports.values()]))
        self._beside = {kind: self.balancers.start(self._preferring(kind)) for kind in SERVERS}

    def _preferring(self, kind: str) -> Preferring:
        return Preferring(sorted(self.ports.values(), key=lambda port: port != self.ports[kind]))

    def start(self, commands: list[str]) -> None:
        *others, serve = commands
        super().start(others)
        for kind in SERVERS:
            self.kind, self.port = kind, self.ports[kind]
            super().start([serve])

    def beside(self, kind: str) -> str:
        return self._beside[kind]

    def terminate(self, kind: str) -> Process:
        """As a deploy does; the other one goes on. To be waited for with `stop()`."""
        process = next(each for each in reversed(self.processes) if each.name == kind)
        process.terminate()
        return process


@contextmanager
def running(pair: Pair, page: str, tracebacks: int = 0) -> Iterator[Pair]:
    """The recipe of a page, followed and started; its logs may have so many tracebacks."""
    try:
        pair.follow(f"docs/recipes/{page}.md")
        if not pair.processes:
            pair.start(["python manage.py runserver"])
        yield pair
    finally:
        pair.stop()
        pair.balancers.stop()
    assert len(problems(pair.log)) == tracebacks, pair.log
