"""The settings, the channel layer and the nodes, seen from the command's process."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings as django_settings
from django.core import checks

from ..cluster.bus import PROTOCOL
from ..cluster.layers import is_postgres, layer, layer_error, reaches_processes
from ..cluster.site import current_site
from ..conf import settings
from ..exceptions import ChannelLayerError
from ..node import current
from ..node.base import Node
from ..operations.nodes import fetch_clock, fetch_nodes
from ..operations.reports import NodeInfo, NodesReport
from ..version import __version__
from .findings import Ailment, Findings, Level

#: Seconds between two clocks that are worth a warning, and that are an error: a question that
#: seems to be older than 30 s is not answered.
SKEW, TOO_MUCH_SKEW = 1.0, 15.0
#: Nodes whose clocks are asked for.
CLOCKS = 50
#: Seconds that nodes have to notice each other; one that was killed is forgotten after five.
SETTLING = 6.0
KIND = "doctor"


def examine_settings(findings: Findings) -> None:
    """The system checks of realtime; those for production too, unless DEBUG is on."""
    is_live = not django_settings.DEBUG
    found = [
        message
        # Without a database, which may be down: since Django 6.1 checks ask all of them otherwise.
        for message in checks.run_checks(include_deployment_checks=is_live, databases=[])
        if str(message.id).startswith("realtime.")
        and message.level >= checks.WARNING  # advice is no ailment
        and not message.is_silenced()
    ]
    for message in found:
        level: Level = "error" if message.level >= checks.ERROR else "warning"
        findings.note("settings", level, f"{message.id}: {message.msg}", message.hint or "")
    if not found:
        which = (
            "including those for production"
            if is_live
            else "without those for production, because DEBUG is on"
        )
        findings.note("settings", "ok", f"realtime's system checks find no problem ({which})")


def examine_layer(findings: Findings) -> bool:
    """Whether a message sent through the layer comes back."""
    alias = settings.CHANNEL_LAYER
    found = layer()
    if not reaches_processes(found):
        what = "is in memory" if found is not None else "is missing from CHANNEL_LAYERS"
        findings.note(
            "layer",
            "warning",
            f"the channel layer {alias!r} {what}: nothing from this process reaches the servers",
            "That is fine for one process in development. Otherwise configure channels_redis. If"
            " you already have, run this command with the same environment as the servers.",
        )
        return False
    with findings.trying("layer") as success:
        _through_layer(_hear_ourselves, "doctor")
        success.text = f"a message sent through the layer {alias!r} came back"
    _note_site(findings)
    return success.worked


def _note_site(findings: Findings) -> None:
    site = current_site()
    given = settings.SITE is not None
    findings.note(
        "site",
        "warning" if site.doubt else "ok",
        f"the site is {site}, as {'REALTIME SITE says' if given else 'the settings imply'}"
        + (f"; {site.doubt}" if site.doubt else ""),
        'If another site uses the same Redis, give each site a name: REALTIME = {"SITE": "shop"}.'
        if site.doubt
        else "",
    )


def _through_layer(make: Callable[[Node], Any], name: str) -> None:
    where = (
        f"at the address that CHANNEL_LAYERS[{settings.CHANNEL_LAYER!r}] gives in the environment"
        " of this command?"
    )
    if is_postgres(layer()):
        hint = (
            f"Is PostgreSQL running, {where} `manage.py migrate` creates the tables that the layer"
            " needs."
        )
    else:
        hint = f"Is Redis running, {where}"
    try:
        current.run(make, name, settings.EMIT_TIMEOUT)
    except ChannelLayerError as error:
        raise Ailment(str(error), hint) from None
    except TimeoutError:
        raise Ailment(
            f"a message sent through the layer did not come back in {settings.EMIT_TIMEOUT:g} s",
            hint,
        ) from None


async def _hear_ourselves(node: Node) -> None:
    bus, heard = node.bus, asyncio.Event()
    bus.on[KIND] = lambda message: heard.set()
    bus.echoed.add(KIND)
    async with asyncio.timeout(settings.EMIT_TIMEOUT):
        try:
            channel = await bus.channel()
        except Exception as error:  # each layer has errors of its own
            raise layer_error(error) from error
        bus.listen()
        await bus.send(channel, KIND, {})
        await heard.wait()


def examine_nodes(findings: Findings) -> NodesReport | None:
    """Which nodes answer through the layer, and whether they fit together."""
    with findings.trying("nodes") as success:
        try:
            report = _settled_nodes()
        except ChannelLayerError as error:
            raise Ailment(str(error)) from None
        if not (report.nodes or report.missing or report.failures):
            raise Ailment(
                "no node answered through the layer",
                "Are the servers running, with the same CHANNEL_LAYERS as this command, including"
                " Redis, database, prefix and keys? (Under Daphne a process becomes a node at its"
                f" first request.) They must also belong to the same site, {current_site()}.",
            )
        success.text = f"{len(report.nodes)} answered: {', '.join(map(_name, report.nodes))}"
    if not success.worked:
        return None
    _note_absent(findings, report)
    _note_states(findings, report)
    _examine_versions(findings, report)
    _examine_clocks(findings, report)
    return report


def _settled_nodes() -> NodesReport:
    """The nodes; those that have just started, or ended, get a moment for the others to notice."""
    deadline = time.monotonic() + SETTLING
    while True:
        report = fetch_nodes()
        is_quiet = not (report.missing or any(_strangers(node, report) for node in report.nodes))
        if (is_quiet and report.nodes) or time.monotonic() > deadline:
            return report
        time.sleep(SETTLING / 10)


def _strangers(node: NodeInfo, report: NodesReport) -> set[str]:
    """Other nodes that this one does not know."""
    return {other.id for other in report.nodes} - {node.id, *node.peers}


def _name(node: NodeInfo) -> str:
    return f"{node.id} ({node.host}:{node.pid})"


def _note_absent(findings: Findings, report: NodesReport) -> None:
    for id in report.missing:
        findings.note(
            "nodes",
            "error",
            f"{id} did not answer within {settings.REQUEST_TIMEOUT:g} s",
            "It was killed a few seconds ago, it hangs, or its clock is more than 30 s ahead of"
            " this machine's.",
        )
    for id, failure in report.failures.items():
        findings.note(
            "nodes", "error", f"{id}: {failure}", "Restart it with the version of the others."
        )


def _note_states(findings: Findings, report: NodesReport) -> None:
    for node in report.nodes:
        if not node.healthy:
            findings.note(
                "nodes",
                "error",
                f"{_name(node)} does not receive its own messages through the layer",
                "It misses what others emit. Its log, and that of Redis, say why.",
            )
        if node.draining:
            findings.note(
                "nodes",
                "warning",
                f"{_name(node)} is draining: it should get no new clients",
                "This is normal during a restart. If somebody drained it by hand, `manage.py"
                " realtime drain NODE --resume` undoes that.",
            )
        unknown = _strangers(node, report)
        if unknown:
            findings.note(
                "nodes",
                "warning",
                f"{_name(node)} does not know of {', '.join(sorted(unknown))}",
                "It misses what they emit. Its log, and that of Redis, say why.",
            )


def _examine_versions(findings: Findings, report: NodesReport) -> None:
    ours = {"realtime": __version__}
    seen: dict[str, dict[str, list[str]]] = {"realtime": {__version__: ["this command"]}}
    for node in report.nodes:
        for package, version in node.versions.items():
            seen.setdefault(package, {}).setdefault(version, []).append(node.id)
    different = {package: where for package, where in seen.items() if len(where) > 1}
    for package, where in different.items():
        each = "; ".join(f"{version}: {', '.join(ids)}" for version, ids in where.items())
        findings.note(
            "versions",
            "warning",
            f"several versions of {package} are running ({each})",
            "This is normal during a deploy. Afterwards, restart the processes with the older"
            " version.",
        )
    if any(node.protocol != PROTOCOL for node in report.nodes):
        findings.note(
            "versions",
            "error",
            "the nodes speak different versions of realtime's protocol",
            "They don't get each other's emits. Restart the processes with the older version.",
        )
    if not different:
        findings.note("versions", "ok", f"all nodes have realtime {ours['realtime']}")


def _examine_clocks(findings: Findings, report: NodesReport) -> None:
    """Ask one at a time, so that the time of each answer is known to a few milliseconds."""
    asked = [(node, _skew(node.id)) for node in report.nodes[:CLOCKS]]
    skews = [(node, skew) for node, skew in asked if skew is not None]
    for node, skew in skews:
        if abs(skew) > SKEW:
            findings.note(
                "clocks",
                "error" if abs(skew) > TOO_MUCH_SKEW else "warning",
                f"the clock of {_name(node)} is {abs(skew):.1f} s"
                f" {'ahead of' if skew > 0 else 'behind'} this machine's",
                "Synchronise the clocks (NTP). If they differ by 30 s or more, questions go"
                " unanswered.",
            )
    if skews and all(abs(skew) <= SKEW for _, skew in skews):
        findings.note("clocks", "ok", f"every clock is within {SKEW:g} s of this machine's")


def _skew(id: str) -> float | None:
    """How far a node's clock is ahead of ours; None if it does not say."""
    started, asked = time.perf_counter(), time.time()
    try:
        now = fetch_clock(id)
    except ChannelLayerError:
        return None
    half = (time.perf_counter() - started) / 2
    return None if now is None else now - asked - half
