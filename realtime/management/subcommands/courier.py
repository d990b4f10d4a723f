"""`courier`: sends the durable emits that were left over, in a process of its own."""

import threading
from dataclasses import asdict

from django.apps import apps
from django.core.management.base import CommandError, CommandParser

from ...conf import settings
from .base import INCOMPLETE, Options, Output, Subcommand


def _add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--once", action="store_true", help="make one round, then exit")


def _run(options: Options, output: Output) -> None:
    if not apps.is_installed("realtime.durable"):
        raise CommandError(
            'there are no durable emits, because "realtime.durable" is not in INSTALLED_APPS',
            returncode=INCOMPLETE,
        )
    from ...durable.upkeep import Rounds  # it has a model

    rounds = Rounds()
    if options["once"]:
        tally = rounds.make()
        output.json(asdict(tally))
        output.line(f"{tally.sent} sent, {tally.failed} failed.")
        if tally.failed or rounds.is_failing:
            raise CommandError("not everything that is due could be sent", returncode=INCOMPLETE)
        return
    output.line("Sending durable emits that have not been sent yet. Press Ctrl+C to stop.")
    pause = threading.Event()
    while True:
        rounds.make()
        pause.wait(settings.DURABLE_INTERVAL or 1.0)


courier = Subcommand(
    name="courier",
    help="Send durable emits that have not been sent yet, as processes with a server do.",
    add_arguments=_add_arguments,
    run=_run,
)
