"""`doctor`: follows an event the whole way, and says what to change."""

from collections.abc import Callable
from dataclasses import asdict

from django.core.management.base import CommandError, CommandParser

from ...doctor.examination import Examination
from ...doctor.findings import Finding, Level
from ...doctor.site import parse_site
from .base import INCOMPLETE, Options, Output, Subcommand, printable, usage
from .targets import count

DEFAULT_URL = "http://127.0.0.1:8000"


def _add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--url", help=f"the site's address, as its users type it; {DEFAULT_URL} by default"
    )
    parser.add_argument(
        "--insecure", action="store_true", help="accept any certificate, even a self-signed one"
    )
    parser.add_argument(
        "--timeout", type=float, default=10.0, help="seconds to wait for each answer; 10 by default"
    )
    parser.add_argument(
        "--fail-level",
        choices=("ERROR", "WARNING"),
        default="ERROR",
        help="the lowest level of a finding that makes the exit code 1; ERROR by default",
    )


def _run(options: Options, output: Output) -> None:
    url = options["url"] or DEFAULT_URL
    if options["timeout"] <= 0:
        raise usage("--timeout must be a number of seconds greater than 0")
    try:
        site = parse_site(url, verify=not options["insecure"], patience=options["timeout"])
    except ValueError as error:
        raise usage(str(error)) from error
    chosen = "" if options["url"] else " (use --url for another site)"
    output.line(f"Examining {site.origin}{site.prefix}{chosen}")
    findings = Examination(site=site).run()
    for finding in findings:
        _print(finding, output)
    errors, warnings = findings.number_of("error"), findings.number_of("warning")
    output.json(
        {
            "url": f"{site.origin}{site.prefix}",
            "errors": errors,
            "warnings": warnings,
            "findings": [asdict(finding) for finding in findings],
        }
    )
    found = f"{count(errors, 'error')}, {count(warnings, 'warning')}"
    if errors or (warnings and options["fail_level"] == "WARNING"):
        raise CommandError(found, returncode=INCOMPLETE)
    output.line(f"It works: {found}." if warnings else "Everything works.")


def _print(finding: Finding, output: Output) -> None:
    level = _style(finding.level, output)(f"{finding.level:<8}")
    took = "" if finding.seconds is None else f" ({finding.seconds * 1_000:.0f} ms)"
    output.line(f"{level}  {finding.topic:<9}  {printable(finding.text)}{took}")
    if finding.hint:
        output.line(f"{'':21}{printable(finding.hint)}")


def _style(level: Level, output: Output) -> Callable[[str], str]:
    style = output.style
    return {"ok": style.SUCCESS, "warning": style.WARNING, "error": style.ERROR}.get(level, str)


doctor = Subcommand(
    name="doctor",
    help="Connect to the running site and its channel layer, send test events, and report what is"
    " wrong.",
    add_arguments=_add_arguments,
    run=_run,
)
