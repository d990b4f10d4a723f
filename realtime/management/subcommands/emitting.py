"""`emit`: an event from the command line."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ... import json
from ...emitters import emit as emit_event
from ...operations.sockets import fetch_sockets
from . import targets
from .base import INCOMPLETE, Options, Output, Subcommand, errors_as_exit_codes, usage


def _add_arguments(parser: CommandParser) -> None:
    parser.add_argument("event")
    parser.add_argument(
        "values",
        nargs="*",
        metavar="arg",
        help="a JSON value; quote it for your shell: '{\"a\": 1}'",
    )
    parser.add_argument(
        "--text", action="store_true", help="treat the arguments as strings, not as JSON"
    )
    parser.add_argument("--volatile", action="store_true", help="drop the event for slow clients")
    parser.add_argument(
        "--retain", metavar="KEY", help="keep the event as the newest value of a key"
    )
    targets.add_arguments(
        parser, everyone="Without any of them, the event goes to everyone in the namespace."
    )


def _run(options: Options, output: Output) -> None:
    args = options["values"] if options["text"] else _values(options["values"])
    whom = targets.targets(options)
    event: str = options["event"]
    with errors_as_exit_codes():
        namespaces = [whom.namespace] if whom.namespace else _namespaces(whom.to)
        for namespace in namespaces:
            emit_event(
                event,
                *args,
                to=whom.to,
                namespace=namespace,
                volatile=options["volatile"],
                retain=options["retain"],
            )
    output.json({"event": event, "args": args, "namespaces": namespaces, "whom": whom.text})
    output.line(f"{event!r} is on its way to {whom.text}.")


def _namespaces(sids: list[str] | None) -> list[str]:
    """The namespaces of the sockets; a sid does not tell its own. Raises CommandError."""
    page = fetch_sockets(sids, namespace=None)
    absent = set(sids or ()) - {socket.sid for socket in page.sockets}
    if absent:
        raise CommandError(
            f"there is no socket {' or '.join(sorted(absent))}: nothing was emitted",
            returncode=INCOMPLETE,
        )
    return sorted({socket.namespace for socket in page.sockets})


def _values(texts: list[str]) -> list[Any]:
    return [_value(number, text) for number, text in enumerate(texts, 1)]


def _value(number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise usage(f"argument {number} is nested too deeply to be sent") from None
    except ValueError as error:
        raise usage(_mistake(number, text, error)) from error


def _mistake(number: int, text: str, error: ValueError) -> str:
    """What is wrong, and where: the line with a mark below the mistake."""
    lines = [f"argument {number} is not JSON: {getattr(error, 'msg', error)}"]
    at = getattr(error, "pos", None)
    if at is not None:
        begin = text.rfind("\n", 0, at) + 1
        line = text[begin:].partition("\n")[0]
        # Of a long line only the part around the mistake is shown.
        skipped = max(0, at - begin - 60)
        lines += [f"  {line[skipped : skipped + 100]}", f"  {' ' * (at - begin - skipped)}^"]
    if text.replace("_", "").replace("-", "").isalnum():
        lines.append(f"Write a string as '\"{text}\"', or use --text.")
    return "\n".join(lines)


emit = Subcommand(
    name="emit",
    help="Emit an event to a room, a user, a socket or a namespace.",
    add_arguments=_add_arguments,
    run=_run,
)
