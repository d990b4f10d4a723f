"""The set of tasks that every part of the product keeps its own in."""

import asyncio

from realtime.aio.tasks import Tasks


async def test_a_task_is_forgotten_when_it_is_done() -> None:
    tasks = Tasks()
    done = tasks.start(asyncio.sleep(0, "value"))
    assert set(tasks) == {done}
    assert await done == "value"
    await asyncio.sleep(0)
    assert not tasks


async def test_a_task_that_failed_is_forgotten_too() -> None:
    async def fail() -> None:
        raise ValueError("a bug")

    tasks = Tasks()
    failed = tasks.start(fail())
    await tasks.wait()
    assert isinstance(failed.exception(), ValueError)
    await asyncio.sleep(0)
    assert not tasks


async def test_waiting_ends_when_one_is_done_or_all_are() -> None:
    tasks, opened = Tasks(), asyncio.Event()
    quick, slow = tasks.start(asyncio.sleep(0)), tasks.start(opened.wait())
    await tasks.wait_for_one()
    assert (quick.done(), slow.done()) == (True, False)
    await tasks.wait(timeout=0)
    assert not slow.done()
    opened.set()
    await tasks.wait()
    assert slow.done()


async def test_waiting_for_none_returns_at_once() -> None:
    await Tasks().wait()
    await Tasks().wait_for_one()
    await Tasks().end()


async def test_the_end_is_waited_for_though_a_task_swallows_its_cancellation() -> None:
    steps: list[str] = []

    async def stubborn() -> None:
        while len(steps) < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                steps.append("cancelled")

    tasks = Tasks()
    task = tasks.start(stubborn())
    await asyncio.sleep(0)
    await tasks.end()
    assert task.done() and steps == ["cancelled", "cancelled"]
