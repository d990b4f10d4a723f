"""Numbered durable emits of one transaction; the process may die between commit and emit."""

import os
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from realtime import emit


class Command(BaseCommand):
    help = "Emit n durable events to each of some rooms."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("n", type=int)
        parser.add_argument("rooms", nargs="+")
        parser.add_argument("--die", action="store_true")

    def handle(self, n: int, rooms: list[str], die: bool, **options: Any) -> None:
        with transaction.atomic():
            if die:  # the first hook, when everything is committed and nothing is sent
                transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
            for number in range(n):
                for room in rooms:
                    emit("durable", room, number, to=room, durable=True)
