"""Which variants of a test run by default, and which tests take turns on one worker of several.

A plugin of pytest, which tests/conftest.py hands on. `make test` says how many workers there are,
and `make matrix` adds `--full`.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Parameters that say where a test runs, and not what it tests. By default each of their values is
#: taken once for each test, the first of one with the first of the others and so on: with a layer,
#: Daphne on core and uvicorn on pubsub. All pairs of them are for `--full`. The client's transport
#: is none of them: what a server does on polling and on a websocket is code of its own.
AXES = {"difference", "home_and_entry", "kind", "layer", "look", "server", "strict"}
LAYERS = {"core", "pubsub"}
#: The files that take longest come first, so that short ones fill up the end.
FIRST = [
    "tests/live/test_drain.py",
    "tests/browser/test_chat.py",
    "tests/live/test_relay.py",
    "tests/live/test_faults.py",
    "tests/browser/test_admin.py",
    "tests/live/test_presence.py",
    "tests/live/test_commands.py",
    "tests/browser/test_processes.py",
    "tests/live/test_outage.py",
    "tests/live/test_operations.py",
    "tests/live/test_health.py",
    "tests/conformance/test_socketio_hostile.py",
]
#: Each of them has all cores busy by itself: they take turns with each other.
HEAVY = {
    "tests/live/test_chaos.py",
    "tests/live/test_drain.py",
    "tests/live/test_soak.py",
    "tests/test_bench.py",
    "tests/test_bench_cluster.py",
}
#: They share the fixture `site`, of tests/browser/conftest.py.
ON_THE_DEMO_SITE = {
    "tests/browser/test_admin_live.py",
    "tests/browser/test_chat.py",
    "tests/browser/test_chat_page.py",
    "tests/browser/test_screenshots.py",
}


#: Markers of what `make matrix` runs and `make test` does not: programs that a newcomer is not
#: asked for, what takes long, and what is marked so because something like it is run anyway.
FULL_ONLY = ("haproxy", "caddy", "failover", "full")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="each test on all pairs of servers and layers, and crowds of full size",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("full"):
        kept = set(diagonals(items))
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]
    files = [*FIRST, *dict.fromkeys(map(file_of, items))]
    items.sort(key=lambda item: files.index(file_of(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False
    return Turns(config, log)


class Turns(LoadScopeScheduling):
    """Gives each worker all tests of one turn, and then those of the next."""

    # As xdist's documentation has it. Its own groups by a marker are none with pytest 9.2.
    def _split_scope(self, nodeid: str) -> str:
        return turn(nodeid)


def turn(nodeid: str) -> str:
    """The tests with the same are run by one worker, which starts the servers that they share."""
    path, _, test = nodeid.partition("::")
    values = re.split(r"[\[\]-]", test)
    if path in HEAVY:
        return "heavy"
    if path in ON_THE_DEMO_SITE:
        return f"the demo site on {values[1]}"
    return f"{path} {next((value for value in values[1:] if value in LAYERS), '')}"


def file_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def diagonals(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """Of the variants of each test those that run without `--full`."""
    tests: dict[Hashable, list[tuple[pytest.Item, dict[str, int]]]] = defaultdict(list)
    for item in items:
        places = dict(item.callspec.indices) if hasattr(item, "callspec") else {}
        on_axes = {axis: places.pop(axis) for axis in AXES & places.keys()}
        if item.get_closest_marker("any_layer") and on_axes.pop("layer", 0):
            continue
        if any(map(item.get_closest_marker, FULL_ONLY)):
            continue
        name = getattr(item, "originalname", item.name)
        tests[item.parent, name, *sorted(places.items())].append((item, on_axes))
    for variants in tests.values():
        wanted = diagonal([on_axes for _, on_axes in variants])
        yield from (item for item, on_axes in variants if on_axes in wanted)


def diagonal(points: Sequence[dict[str, int]]) -> list[dict[str, int]]:
    """As few points as have, together, each value that any of these has on an axis."""
    values = {axis: sorted({point[axis] for point in points}) for axis in points[0]}
    steps = range(max(map(len, values.values()), default=1))
    return [{axis: of[step % len(of)] for axis, of in values.items()} for step in steps]
