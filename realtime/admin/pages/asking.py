"""Questions to the servers whose failure is a note on the page, and never an error page."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from django.utils.translation import gettext, gettext_noop, ngettext

from ...conf import settings
from ...exceptions import RealtimeError
from ...operations.nodes import fetch_nodes
from ...operations.reports import NodesReport

T = TypeVar("T")

NO_SERVER = gettext_noop(
    "No server answered, so as far as this page can tell nobody is connected. Start the site under"
    " an ASGI server, such as Daphne, with the same CHANNEL_LAYERS as the process that shows this"
    " page."
)


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that the reader of a page needs to know. The levels are those of messages."""

    level: str
    text: str


class Notes(list[Note]):
    """What went wrong while a page was put together."""

    #: Nobody answers at all: another question would only take time.
    hopeless = False

    def ask(self, question: Callable[[], T]) -> T | None:
        """The answer, or None with a note that says what to do."""
        try:
            return question()
        except (RealtimeError, TimeoutError) as error:
            self.hopeless = True
            text = gettext("The servers could not be asked: %(error)s") % {"error": error}
            self.append(Note(level="error", text=text))
            return None

    def missing(self, nodes: Collection[str]) -> None:
        """Say which nodes did not answer, if any."""
        if nodes:
            self.append(Note(level="warning", text=silent(nodes)))

    def nobody(self) -> None:
        """Nothing was found anywhere: say so if that is because there is no server."""
        report = self.ask(fetch_nodes)
        if report is not None:
            self.need_servers(report)

    def need_servers(self, report: NodesReport) -> None:
        """Say so if there are no servers."""
        if not (report.nodes or report.failures or report.missing):
            self.hopeless = True
            self.append(Note(level="warning", text=gettext(NO_SERVER)))


def silent(nodes: Collection[str]) -> str:
    """What it means that these nodes did not answer."""
    text = ngettext(
        "A server did not answer within %(seconds)s s: %(names)s. Its sockets are not shown. It may"
        " be busy, stopped or of another version; see the page of nodes and the server's log.",
        "%(count)d servers did not answer within %(seconds)s s: %(names)s. Their sockets are not"
        " shown. They may be busy, stopped or of another version; see the page of nodes and the"
        " server's log.",
        len(nodes),
    )
    return text % {
        "count": len(nodes),
        "seconds": f"{settings.REQUEST_TIMEOUT:g}",
        "names": ", ".join(sorted(nodes)),
    }
