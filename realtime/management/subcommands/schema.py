"""`schema`: what clients may send and will hear, as AsyncAPI or TypeScript."""

import json
from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import CommandError, CommandParser

from ...changes.described import emitted_in
from ...consumers.consumer import SocketIOConsumer
from ...events import CATCH_ALL
from ...routing import autodiscover, registered
from ...schema.asyncapi import asyncapi
from ...schema.descriptions import Namespace, describe_received, describe_sent
from ...schema.emits import Emitted
from ...schema.typescript import typescript
from .base import INCOMPLETE, Options, Output, Subcommand, usage

FORMATS = ("asyncapi", "typescript")


def _add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    parser.add_argument(
        "--namespace",
        action="append",
        metavar="ROUTE",
        help="write only this namespace, spelled as in @namespace; may be repeated",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write to this file instead of standard output",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; the exit code is 1 if FILE is not up to date",
    )
    parser.add_argument("--title", default="Socket.IO events", help="of the AsyncAPI document")
    parser.add_argument(
        "--api-version", default="1.0.0", metavar="VERSION", help="of the AsyncAPI document"
    )


def _run(options: Options, output: Output) -> None:
    path: Path | None = options["output"]
    if options["check"] and path is None:
        raise usage("--check compares with a file: name it with --output")
    if options["json"] and options["format"] != "asyncapi":
        raise usage("--json is for --format asyncapi: TypeScript is not JSON")
    text = _written(options)
    if path is None:
        output.text(text.rstrip("\n"))
    elif options["check"]:
        _check(path, text, options["format"])
        output.line(f"{path} is up to date.")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        output.line(f"Wrote {path}.")


def _written(options: Options) -> str:
    namespaces = _namespaces(options["namespace"])
    if options["format"] == "typescript":
        return typescript(namespaces)
    document = asyncapi(namespaces, title=options["title"], version=options["api_version"])
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _namespaces(wanted: list[str] | None) -> list[Namespace]:
    autodiscover()
    routes = dict(registered())
    for route in wanted or ():
        if route not in routes:
            raise usage(f"no consumer serves {route!r}; there are: {', '.join(sorted(routes))}")
    found = []
    # By route: in which order apps are imported must not change the file.
    for route, consumer in sorted(routes.items()):
        own = consumer.__module__.startswith("realtime.")
        if route in wanted if wanted else not own:
            found.append(
                Namespace(
                    route=route,
                    # Not what is inherited: that is the base class's.
                    text=_first_paragraph(consumer.__doc__),
                    received=[
                        describe_received(event, handler.arguments, handler.function, consumer)
                        for event, handler in consumer.handlers.items()
                        if event != CATCH_ALL
                    ],
                    sent=describe_sent(_sent(route, consumer)),
                )
            )
    return found


def _sent(route: str, consumer: type[SocketIOConsumer]) -> Iterable[Emitted]:
    """What models announce in the namespace, and what the consumer says, which goes before."""
    announced = {emitted.event: emitted for emitted in emitted_in(route)}
    return (announced | consumer.emitted).values()


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").strip().partition("\n\n")[0].split())


def _check(path: Path, text: str, form: str) -> None:
    try:
        written = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error}", returncode=INCOMPLETE) from error
    if written != text:
        raise CommandError(
            f"{path} is stale. Write it again:"
            f" manage.py realtime schema --format {form} --output {path}",
            returncode=INCOMPLETE,
        )


schema = Subcommand(
    name="schema",
    help="Write the events that clients may send and will get, as AsyncAPI 3 or as TypeScript.",
    add_arguments=_add_arguments,
    run=_run,
)
