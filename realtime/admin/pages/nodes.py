"""The page of nodes: the processes that serve, and the state of each."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_noop

from ...operations.nodes import fetch_nodes
from ...operations.reports import NodeInfo
from .asking import Note, Notes
from .base import LiveAdmin
from .listing import Column

COLUMNS = (
    Column(name="node", title=gettext_noop("node")),
    Column(name="health", title=gettext_noop("health")),
    Column(name="sockets", title=gettext_noop("sockets")),
    Column(name="in", title=gettext_noop("events in/s")),
    Column(name="out", title=gettext_noop("events out/s")),
    Column(name="memory", title=gettext_noop("memory")),
    Column(name="lost", title=gettext_noop("lost")),
    Column(name="recovery", title=gettext_noop("recovery")),
    Column(name="uptime", title=gettext_noop("started")),
    Column(name="versions", title=gettext_noop("versions")),
)


class NodeAdmin(LiveAdmin):
    """All processes with a server."""

    page_name = "nodes"

    def changelist_view(
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        self.check_view_permission(request)
        notes = Notes()
        found = self._fetch(notes)
        return self.show(
            request,
            "nodes",
            notes,
            columns=COLUMNS,
            rows=found,
            sockets=sum(int(info.stats.get("sockets", 0)) for info in found),
        )

    def _fetch(self, notes: Notes) -> list[NodeInfo]:
        report = notes.ask(fetch_nodes)
        if report is None:
            return []
        notes.missing(report.missing)
        for node, failure in sorted(report.failures.items()):
            text = gettext("Node %(node)s could not answer: %(failure)s.")
            said = text % {"node": node, "failure": failure}
            notes.append(Note(level="warning", text=said))
        notes.need_servers(report)
        return sorted(report.nodes, key=lambda info: (info.host, info.pid))
