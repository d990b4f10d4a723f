"""Emits from a process without a server, in each of the ways that such a process may have."""

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from realtime import aemit, emit


class Command(BaseCommand):
    help = "Emit an event named after the way in which it is emitted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("way", choices=WAYS)
        parser.add_argument("room")

    def handle(self, way: str, room: str, **options: Any) -> None:
        WAYS[way](room)


def plainly(room: str) -> None:
    emit("plain", to=room)


def from_threads(room: str) -> None:
    threads = [
        threading.Thread(target=emit, args=("thread", n), kwargs={"to": room}) for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def from_fresh_loops(room: str) -> None:
    for number in range(3):
        asyncio.run(aemit("loop", number, to=room))


def from_forked_child(room: str) -> None:
    """The parent has emitted, so that it has a loop, a thread and connections when it forks."""
    emit("parent", 1, to=room)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            emit("child", 1, to=room)
            emit("child", 2, to=room)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"the child ended with {status}")
    emit("parent", 2, to=room)


WAYS: dict[str, Callable[[str], None]] = {
    "plain": plainly,
    "threads": from_threads,
    "loops": from_fresh_loops,
    "fork": from_forked_child,
}
