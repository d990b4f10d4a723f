"""A call that nobody awaits is said in the log, and one that is awaited is a coroutine like any."""

import asyncio
import gc
import inspect
import logging
import warnings
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction

import realtime
from realtime import SocketIOConsumer, aemit, afetch_nodes
from realtime.server.handling import Ack
from realtime.testing import assert_emitted, assert_not_emitted


class Mute(SocketIOConsumer):
    def __init__(self) -> None:
        self.scope = {"sid": "~x", "path": "/"}


def here() -> int:
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


@pytest.fixture(autouse=True)
def without_warnings() -> Any:
    """As under Daphne, where Python's own warning reaches nobody."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
        gc.collect()


async def test_place_and_remedy_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    # fmt: off
    line = here(); aemit("lost")  # type: ignore[unused-coroutine]  # noqa: E702
    # fmt: on
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("realtime", logging.ERROR)
    place = f"aemit() was called without await in {__file__}, line {line}, and did nothing"
    assert place in record.getMessage()
    assert "Write: await ...aemit(...)" in record.getMessage()
    assert_not_emitted("lost")


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("emit", ("x",)),
        ("broadcast", ("x",)),
        ("join", ("x",)),
        ("leave", ("x",)),
        ("call", ("x",)),
        ("close", ()),
    ],
)
async def test_each_verb_of_a_consumer_says_so(
    verb: str, args: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def handler() -> None:
        kept = getattr(Mute(), verb)(*args)
        del kept

    handler()
    assert f"{verb}() was called without await in {__file__}" in caplog.text


async def test_ack_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def send(message: dict[str, Any]) -> None: ...

    Ack(send, 1)("answer")
    assert "ack() was called without await" in caplog.text


@pytest.mark.parametrize("name", sorted(n for n in realtime.__all__ if f"a{n}" in realtime.__all__))
async def test_each_async_twin_says_so(name: str, caplog: pytest.LogCaptureFixture) -> None:
    function = getattr(realtime, f"a{name}")
    assert iscoroutinefunction(function)
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    args = ["x" for p in needed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    function(*args)
    assert f"a{name}() was called without await in {__file__}" in caplog.text


async def test_what_is_awaited_in_any_way_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    await aemit("plain")
    await asyncio.create_task(aemit("task"))
    await asyncio.gather(aemit("gathered"), asyncio.shield(aemit("shielded")))
    await asyncio.wait_for(aemit("in time"), 5)
    async with asyncio.TaskGroup() as group:
        group.create_task(aemit("grouped"))
    await asyncio.to_thread(async_to_sync(aemit), "threaded")
    await asyncio.to_thread(lambda: asyncio.run(aemit("run")))  # type: ignore[arg-type]
    await afetch_nodes()
    cancelled = asyncio.create_task(aemit("cancelled"))
    cancelled.cancel()
    await asyncio.wait([cancelled])
    aemit("closed").close()
    for event in ("plain", "task", "gathered", "shielded", "in time", "grouped", "threaded", "run"):
        assert_emitted(event, count=1)
    assert "without await" not in caplog.text
