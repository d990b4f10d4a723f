"""`status`: which nodes there are, and the state of each."""

import contextlib
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...cluster.site import current_site
from ...operations.nodes import fetch_nodes
from ...operations.reports import NodeInfo, NodesReport
from .base import INCOMPLETE, Options, Output, Subcommand, errors_as_exit_codes, usage
from .values import duration_text, size_text

COLUMNS = (
    "NODE", "HOST", "PID", "VERSION", "UP", "SOCKETS", "ROOMS", "IN/S", "OUT/S", "MEMORY", "LOST",
    "STATE",
)  # fmt: skip
TOTALS = ("connections", "sockets", "events_in_rate", "events_out_rate", "memory", "lost")


def _add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--timeout", type=float, help="seconds that the nodes have to answer")
    parser.add_argument(
        "--watch",
        type=float,
        metavar="SECONDS",
        help="print the status again every SECONDS; with --json, one line each time",
    )


def _run(options: Options, output: Output) -> None:
    pause = options["watch"]
    if pause is None:
        _check(_show(options, output))
        return
    if pause <= 0:
        raise usage("--watch must be a number of seconds greater than 0")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            _show(options, output, indent=None)
            output.line()
            time.sleep(pause)


def _show(options: Options, output: Output, indent: int | None = 2) -> NodesReport:
    with errors_as_exit_codes():
        report = fetch_nodes(timeout=options["timeout"])
    totals = {name: sum(node.stats[name] for node in report.nodes) for name in TOTALS}
    site = current_site()
    output.json({"site": site.name, **asdict(report), "totals": totals}, indent=indent)
    rows = [_row(node) for node in report.nodes]
    if len(rows) > 1:
        rows.append(_total(len(rows), totals))
    if rows:
        output.table(COLUMNS, rows, right=COLUMNS[4:11])
    else:
        output.line(
            "No node answered: no process serves sockets, or none uses the same channel layer."
        )
    for node, failure in report.failures.items():
        output.line(f"{node} could not answer: {failure}")
    for node in report.missing:
        output.line(f"{node} did not answer in time")
    output.line(f"This is the site {site}.")
    return report


def _row(node: NodeInfo) -> tuple[Any, ...]:
    stats = node.stats
    return (
        node.id,
        node.host,
        node.pid,
        node.versions.get("realtime", "?"),
        duration_text((datetime.now(UTC) - node.started).total_seconds()),
        f"{stats['sockets']:,.0f}",
        f"{stats['rooms']:,.0f}",
        f"{stats['events_in_rate']:,.1f}",
        f"{stats['events_out_rate']:,.1f}",
        size_text(stats["memory"]),
        f"{stats['lost']:,.0f}",
        state(node),
    )


def _total(nodes: int, totals: dict[str, float]) -> tuple[Any, ...]:
    # A room on two nodes is one room, so their numbers can't be added; `rooms` counts them.
    return (
        f"{nodes} nodes", "", "", "", "", f"{totals['sockets']:,.0f}", "",
        f"{totals['events_in_rate']:,.1f}", f"{totals['events_out_rate']:,.1f}",
        size_text(totals["memory"]), f"{totals['lost']:,.0f}", "",
    )  # fmt: skip


def state(node: NodeInfo) -> str:
    """ "healthy", "draining", or "deaf" for a node that does not hear itself through the layer."""
    if not node.healthy:
        return "deaf"
    return "draining" if node.draining else "healthy"


def _check(report: NodesReport) -> None:
    deaf = [node.id for node in report.nodes if not node.healthy]
    wrong = [
        *(["no node answered"] if not (report.nodes or report.missing or report.failures) else []),
        *(f"node {id} is deaf: it does not hear itself through the channel layer" for id in deaf),
        *(f"node {id} did not answer in time" for id in report.missing),
        *(f"node {id} could not answer: {failure}" for id, failure in report.failures.items()),
    ]
    if wrong:
        raise CommandError("; ".join(wrong), returncode=INCOMPLETE)


status = Subcommand(
    name="status",
    help="List the nodes, which are the processes with a server: version, load, memory, health.",
    add_arguments=_add_arguments,
    run=_run,
)
