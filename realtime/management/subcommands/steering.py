"""`join`, `leave` and `disconnect`: change the sockets of all nodes from the command line."""

from dataclasses import asdict

from django.core.management.base import CommandError, CommandParser

from ...operations.reports import Outcome
from ...operations.sockets import count_sockets
from ...operations.steering import disconnect_sockets, join_sockets, leave_sockets
from . import targets
from .base import (
    INCOMPLETE,
    Options,
    Output,
    Subcommand,
    check_complete,
    errors_as_exit_codes,
    usage,
)
from .targets import Targets


def _add_whom(parser: CommandParser, everyone: str) -> None:
    targets.add_arguments(parser, everyone=everyone)
    targets.add_all_namespaces(parser)
    parser.add_argument("--timeout", type=float, help="seconds that the nodes have to answer")


def _ask_about_everyone(
    verb: str, whom: Targets, options: Options, output: Output, where: str = ""
) -> None:
    if whom.to is None and not options["no_input"]:
        targets.check_may_ask(options, output)
        with errors_as_exit_codes():
            number = count_sockets(namespace=whom.namespace, timeout=options["timeout"])
        counted = f"{targets.count(number, 'socket')} ({whom.text})"
        targets.confirm(f"{verb} {counted}{where}?", options, output)


def _finish(what: str, outcome: Outcome, output: Output) -> None:
    output.json(asdict(outcome))
    output.line(f"{targets.count(outcome.sockets, 'socket')} {what}.")
    check_complete(outcome.missing)
    if outcome.refused:
        raise CommandError(
            f"{targets.count(outcome.refused, 'socket')} could not join, already in as many rooms"
            ' as REALTIME["MAX_ROOMS"] allows.',
            returncode=INCOMPLETE,
        )


def _add_join_arguments(parser: CommandParser) -> None:
    parser.add_argument("room")
    _add_whom(
        parser, "Without any of them, everyone in the namespace is added, after confirmation."
    )
    targets.add_no_input(parser)


def _run_join(options: Options, output: Output) -> None:
    whom = targets.targets(options)
    _ask_about_everyone("Add", whom, options, output, where=f" to {options['room']!r}")
    with errors_as_exit_codes():
        outcome = join_sockets(
            options["room"], whom.to, namespace=whom.namespace, timeout=options["timeout"]
        )
    _finish("added", outcome, output)


def _add_leave_arguments(parser: CommandParser) -> None:
    parser.add_argument("room")
    _add_whom(parser, "Without any of them, all members of the room are removed.")


def _run_leave(options: Options, output: Output) -> None:
    whom = targets.targets(options)
    with errors_as_exit_codes():
        outcome = leave_sockets(
            options["room"], whom.to, namespace=whom.namespace, timeout=options["timeout"]
        )
    _finish("removed", outcome, output)


def _add_disconnect_arguments(parser: CommandParser) -> None:
    _add_whom(
        parser,
        "To disconnect everyone, give only --namespace or --all-namespaces; you are then asked for"
        " confirmation.",
    )
    targets.add_no_input(parser)
    parser.add_argument(
        "--connection",
        action="store_true",
        help="close their connections, and with them the clients' other namespaces",
    )


def _run_disconnect(options: Options, output: Output) -> None:
    whom = targets.targets(options)
    if whom.to is None and options["namespace"] is None and not options["all_namespaces"]:
        raise usage(
            "say which sockets to disconnect: --to, --user or --sid, or everyone with --namespace /"
            " or --all-namespaces"
        )
    _ask_about_everyone("Disconnect", whom, options, output)
    with errors_as_exit_codes():
        outcome = disconnect_sockets(
            whom.to,
            namespace=whom.namespace,
            connection=options["connection"],
            timeout=options["timeout"],
        )
    _finish("disconnected", outcome, output)


join = Subcommand(
    name="join",
    help="Add sockets to a room.",
    add_arguments=_add_join_arguments,
    run=_run_join,
)
leave = Subcommand(
    name="leave",
    help="Remove sockets from a room.",
    add_arguments=_add_leave_arguments,
    run=_run_leave,
)
disconnect = Subcommand(
    name="disconnect",
    help="Disconnect sockets from a namespace, or close their connections.",
    add_arguments=_add_disconnect_arguments,
    run=_run_disconnect,
)
