"""Tasks that are kept until they are done: the event loop itself holds them only weakly."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

#: Seconds after which a task that did not heed its cancellation is cancelled again.
PATIENCE = 0.5


class Tasks(set[asyncio.Task[Any]]):
    """A set of tasks that forgets each of them when it is done."""

    # A set and not an object with one: there is one of them for each socket.
    __slots__ = ()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in a task of its own."""
        return self.keep(asyncio.get_running_loop().create_task(work))

    def keep(self, task: asyncio.Task[Any]) -> asyncio.Task[Any]:
        """Hold a task that somebody else started."""
        self.add(task)
        task.add_done_callback(self.discard)
        return task

    def cancel(self) -> None:
        """Ask all of them to end."""
        for task in self:
            task.cancel()

    async def wait(self, timeout: float | None = None) -> None:
        """Wait until those that run now are done, or for so many seconds."""
        if self:
            await asyncio.wait(self, timeout=timeout)

    async def wait_for_one(self) -> None:
        """Wait until one of them is done."""
        if self:
            await asyncio.wait(self, return_when=asyncio.FIRST_COMPLETED)

    async def end(self) -> None:
        """Cancel all of them, and wait for their end."""
        await end(self)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait for their end."""
    # More than once: a connection that breaks while it is given back puts its own error in the
    # place of the cancellation, and the task takes it for one more failure of the channel layer.
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=PATIENCE)


def is_being_cancelled() -> bool:
    """Whether the current task is to end.

    If not, a CancelledError comes from something that an application awaited, and is its failure
    like any other: it must not end the task, and the socket with it, in silence.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
