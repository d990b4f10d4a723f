"""Bells: what a task waits at, again and again."""

import asyncio

import pytest

from realtime.aio.bells import Bell


async def turns(number: int = 3) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_bell_wakes_its_task_each_time_and_once() -> None:
    bell, heard = Bell(), list[int]()

    async def listen() -> None:
        while True:
            await bell.wait()
            heard.append(len(heard))

    task = asyncio.create_task(listen())
    await turns()
    assert bell.has_waiter
    for count in (1, 2, 3):
        bell.ring()
        bell.ring()
        assert not bell.has_waiter
        await turns()
        assert len(heard) == count
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not bell.has_waiter


async def test_those_that_are_rung_in_one_turn_wake_in_that_order() -> None:
    woken = list[int]()

    async def listen(number: int, bell: Bell) -> None:
        await bell.wait()
        woken.append(number)
        if number == 1:
            raise ValueError("a bug")

    bells = [Bell() for _ in range(4)]
    tasks = [asyncio.create_task(listen(number, bell)) for number, bell in enumerate(bells)]
    await turns()
    for number in (2, 1, 3, 0):
        bells[number].ring()
    await turns()
    assert woken == [2, 1, 3, 0]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ValueError, type(None), type(None)]


async def test_a_task_that_is_cancelled_waits_no_more() -> None:
    bell = Bell()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await bell.wait()
    bell.ring()  # for nobody
    waiting = asyncio.ensure_future(bell.wait())
    await turns()
    assert not waiting.done()
    bell.ring()
    await waiting


async def test_a_task_that_is_rung_and_cancelled_ends() -> None:
    bell = Bell()
    task = asyncio.ensure_future(bell.wait())
    await turns()
    bell.ring()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not bell.has_waiter


def test_what_ends_the_process_leaves_the_others_woken() -> None:
    async def main() -> None:
        first, second = Bell(), Bell()

        async def leave() -> None:
            await first.wait()
            raise KeyboardInterrupt

        async def go_on() -> None:
            await second.wait()
            woken.append("second")

        tasks.extend([loop.create_task(leave()), loop.create_task(go_on())])
        await turns()
        first.ring()
        second.ring()
        await asyncio.wait(tasks)

    woken, tasks = list[str](), list[asyncio.Task[None]]()
    loop = asyncio.new_event_loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(main())
    loop.run_until_complete(turns())
    loop.close()
    assert woken == ["second"]
    assert isinstance(tasks[0].exception(), KeyboardInterrupt)
