"""The table of sockets, which the pages of sockets, rooms and users show."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import DELETION
from django.utils.translation import gettext, gettext_noop

from ...models import Socket
from ...node import rooms
from ...operations.namespaces import fetch_namespaces
from ...operations.reports import Outcome, SocketInfo, SocketPage
from ...operations.sockets import fetch_sockets
from ...operations.steering import disconnect_sockets
from .actions import Action, disconnected
from .asking import Notes
from .listing import PAGE, Column, Listing
from .urls import PageURLs

USER = Column(name="user", title=gettext_noop("user"), order="user")
SOCKET = Column(name="sid", title=gettext_noop("socket"), order="sid")
NAMESPACE = Column(name="namespace", title=gettext_noop("namespace"))
REST = (
    Column(name="since", title=gettext_noop("connected"), order="since"),
    Column(name="transport", title=gettext_noop("transport"), order="transport"),
    Column(name="address", title=gettext_noop("address")),
    Column(name="outbox", title=gettext_noop("outbox"), order="outbox"),
)
COLUMNS = (USER, SOCKET, *REST)
COLUMNS_WITH_NAMESPACE = (USER, SOCKET, NAMESPACE, *REST)


@dataclass(frozen=True, kw_only=True)
class SocketRow:
    """A socket with the pages that the reader may see."""

    info: SocketInfo
    url: str
    user_url: str


def rows(sockets: Iterable[SocketInfo], to: PageURLs) -> list[SocketRow]:
    return [row(info, to) for info in sockets]


def row(info: SocketInfo, to: PageURLs) -> SocketRow:
    user = info.user
    user_url = "" if user is None else to.account(user.model, user.pk)
    if user is not None and not user_url:
        user_url = to.user(user.model, user.pk)
    return SocketRow(info=info, url=to.socket(info.sid), user_url=user_url)


def fetch_page(
    listing: Listing, notes: Notes, to: Any = None, namespace: str | None = None
) -> Sequence[SocketInfo]:
    """The sockets on the page that the listing asks for."""

    def fetch() -> SocketPage:
        return fetch_sockets(
            to,
            namespace=namespace,
            search=listing.search,
            order_by=listing.order,
            offset=listing.offset,
            limit=listing.per_page,
        )

    page = fetch_within(listing, notes, fetch)
    return () if page is None else page.sockets


def fetch_within(listing: Listing, notes: Notes, fetch: Callable[[], Any]) -> Any:
    """A page of anything, or None; the last page if a later one was asked for."""
    page = notes.ask(fetch)
    if page is None:
        return None
    listing.total = page.total
    if listing.is_past_the_end:
        listing.params = {**listing.params, PAGE: str(listing.last_page)}
        page = notes.ask(fetch) or page
    notes.missing(page.missing)
    if not page.total and not page.missing:
        notes.nobody()
    return page


def filter_by_namespace(listing: Listing, notes: Notes) -> None:
    """Let the reader choose one of the namespaces with the most sockets."""
    sizes = None if notes.hopeless else notes.ask(fetch_namespaces)
    if sizes and (len(sizes) > 1 or listing.params.get("namespace")):
        options = {"": gettext("All")} | {namespace: namespace for namespace in sorted(sizes)}
        listing.filter(gettext("namespace"), "namespace", options)


def label_of_sid(key: str) -> str | None:
    return key if rooms.is_sid(key) else None


def _disconnect(keys: Sequence[str]) -> Outcome:
    return disconnect_sockets(list(keys), namespace=None)


DISCONNECT = Action(
    name="disconnect",
    label=gettext_noop("Disconnect selected sockets"),
    question=gettext_noop(
        "Disconnect these sockets from their namespace? The stock client does not reconnect by"
        " itself."
    ),
    permission="realtime.disconnect_socket",
    model=Socket,
    flag=DELETION,
    done=disconnected,
    run=_disconnect,
    label_of=label_of_sid,
)
