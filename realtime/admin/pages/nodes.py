"""The page of nodes: the processes that serve, and the state of each."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from ...operations.nodes import fetch_nodes
from ...operations.reports import NodeInfo
from .asking import Note, Notes
from .base import LiveAdmin

COLUMNS = (
    "node",
    "health",
    "sockets",
    "events in/s",
    "events out/s",
    "memory",
    "lost",
    "recovery",
    "uptime",
    "versions",
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
            notes.append(Note(level="warning", text=f"Node {node} could not answer: {failure}."))
        notes.need_servers(report)
        return sorted(report.nodes, key=lambda info: (info.host, info.pid))
