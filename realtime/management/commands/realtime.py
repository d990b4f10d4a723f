"""`manage.py realtime`: inspect the running site and steer it; see docs/commands.md."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ..subcommands.base import Output, Subcommand
from ..subcommands.courier import courier
from ..subcommands.doctor import doctor
from ..subcommands.draining import drain
from ..subcommands.emitting import emit
from ..subcommands.listing import rooms, sockets
from ..subcommands.schema import schema
from ..subcommands.status import status
from ..subcommands.steering import disconnect, join, leave

SUBCOMMANDS: dict[str, Subcommand] = {
    subcommand.name: subcommand
    for subcommand in (
        status,
        rooms,
        sockets,
        emit,
        join,
        leave,
        disconnect,
        drain,
        doctor,
        schema,
        courier,
    )
}


class Command(BaseCommand):
    help = "Inspect and control the running site from any process, over the channel layer."
    # A site with errors has to be inspected all the same; `doctor` runs the checks itself.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="subcommand")
        for subcommand in SUBCOMMANDS.values():
            its = subparsers.add_parser(
                subcommand.name, help=subcommand.help, description=subcommand.help
            )
            its.add_argument("--json", action="store_true", help="print JSON, for scripts")
            subcommand.add_arguments(its)

    def handle(self, *args: Any, **options: Any) -> None:
        output = Output(self.stdout.write, self.style, is_json=options["json"])
        SUBCOMMANDS[options["subcommand"]].run(options, output)
