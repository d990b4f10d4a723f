"""`drain`: nodes let their clients go gradually, and accept no new ones."""

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from django.core.management.base import CommandError, CommandParser

from ...cluster.requests import Replies
from ...conf import settings
from ...operations.nodes import drain_nodes, fetch_drain_progress, fetch_nodes
from ...operations.reports import NodeInfo
from . import targets
from .base import INCOMPLETE, Options, Output, Subcommand, errors_as_exit_codes, usage

#: Seconds between two looks at the nodes' progress.
LOOK = 0.5
#: Seconds beyond DRAIN_DELAY and DRAIN_TIMEOUT after which a node with clients counts as stuck.
GRACE = 5.0
#: After this many looks in a row without an answer, the command no longer waits for a node.
SILENT = 3


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far each node has come: its open connections, or why it does not answer."""

    connections: dict[str, int]
    failures: dict[str, str]
    #: How many times in a row a node did not answer.
    silent: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> list[str]:
        """The nodes that still have connections, by what they last reported."""
        open_at = [node for node, number in self.connections.items() if number]
        return [node for node in open_at if node not in self.failures]

    def learn(self, replies: Replies) -> None:
        for node, answer in replies.answers.items():
            self.connections[node] = int(answer["connections"])
            del self.silent[node]
        self.failures |= replies.failures
        self.silent.update(replies.missing)
        for node in replies.missing:
            if self.silent[node] == SILENT:
                self.failures[node] = "it no longer answers: it has ended, or hangs"


def _add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "nodes",
        nargs="*",
        metavar="node",
        help="an id, the beginning of an id, or host:pid; put it after -- if it begins with a"
        " hyphen",
    )
    parser.add_argument(
        "--all", action="store_true", help="drain every node; asks for confirmation first"
    )
    parser.add_argument(
        "--wait",
        nargs="?",
        type=float,
        const=0.0,
        metavar="SECONDS",
        help="wait until all connections are closed; at most DRAIN_DELAY +"
        " DRAIN_TIMEOUT + 5 seconds by default",
    )
    parser.add_argument(
        "--resume", action="store_true", help="let the nodes accept connections again"
    )
    targets.add_no_input(parser)


def _run(options: Options, output: Output) -> None:
    if bool(options["nodes"]) == options["all"]:
        raise usage(
            "say which nodes to drain: name them as `manage.py realtime status` lists them, or use"
            " --all for every node"
        )
    if options["resume"] and options["wait"] is not None:
        raise usage("--wait can't be used with --resume: there is nothing to wait for")
    nodes = _find(options)
    ids = [node.id for node in nodes]
    if options["all"] and not options["resume"]:
        sockets = sum(int(node.stats["connections"]) for node in nodes)
        asked = f"{targets.count(len(ids), 'node')} with {targets.count(sockets, 'connection')}"
        targets.confirm(
            f"Drain all {asked}? Afterwards nobody can connect to the site.", options, output
        )
    with errors_as_exit_codes():
        replies = drain_nodes(ids, resume=options["resume"])
    progress = Progress(
        connections={}, failures=dict.fromkeys(replies.missing, "it did not answer in time")
    )
    progress.learn(replies)
    for id, number in progress.connections.items():
        word = "accepts connections again" if options["resume"] else "is draining"
        output.line(f"{id} {word}: {targets.count(number, 'connection')}")
    if options["wait"] is not None:
        _wait(progress, options["wait"] or _longest(), output)
    _finish(progress, options, output)


def _find(options: Options) -> list[NodeInfo]:
    with errors_as_exit_codes():
        report = fetch_nodes()
    if options["all"]:
        if report.missing or report.failures:
            away = ", ".join([*report.missing, *report.failures])
            raise CommandError(
                f"these nodes do not answer: {away}. Try again, or name the other nodes.",
                returncode=INCOMPLETE,
            )
        if not report.nodes:
            raise CommandError(
                "no node answered: is the site running, on the same channel layer as this command?",
                returncode=INCOMPLETE,
            )
        return list(report.nodes)
    found = [_one(name, report.nodes) for name in options["nodes"]]
    return list({node.id: node for node in found}.values())


def _one(name: str, nodes: Collection[NodeInfo]) -> NodeInfo:
    exact = [node for node in nodes if name in (node.id, f"{node.host}:{node.pid}")]
    found = exact or [node for node in nodes if node.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    what = f"{name!r} matches several nodes" if found else f"no node {name!r} answered"
    there = ", ".join(f"{node.id} ({node.host}:{node.pid})" for node in found or nodes) or "none"
    which = "They are" if found else "These answered"
    raise CommandError(f"{what}. {which}: {there}.", returncode=INCOMPLETE)


def _longest() -> float:
    """Seconds that a drain may take before it counts as stuck."""
    seconds: float = settings.DRAIN_DELAY + settings.DRAIN_TIMEOUT + GRACE
    return seconds


def _wait(progress: Progress, seconds: float, output: Output) -> None:
    deadline = time.monotonic() + seconds
    while progress.left and time.monotonic() < deadline:
        time.sleep(LOOK)
        before = dict(progress.connections)
        with errors_as_exit_codes():
            progress.learn(fetch_drain_progress(progress.left))
        for id, number in progress.connections.items():
            if number != before[id]:
                output.line(f"{id} has {targets.count(number, 'connection')} left")


def _finish(progress: Progress, options: Options, output: Output) -> None:
    counts = progress.connections
    output.json({"connections": counts, "failures": progress.failures})
    wrong = [f"{id}: {failure}" for id, failure in progress.failures.items()]
    if options["wait"] is not None:
        wrong += [f"{id}: {targets.count(counts[id], 'connection')} left" for id in progress.left]
        if not wrong:
            output.line("Drained.")
    if wrong:
        raise CommandError("; ".join(wrong), returncode=INCOMPLETE)


drain = Subcommand(
    name="drain",
    help="Make nodes refuse new connections and close theirs gradually; they keep running.",
    add_arguments=_add_arguments,
    run=_run,
)
