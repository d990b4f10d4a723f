"""The one who did it: the page whose request made the site emit, by the sids that it says it has.

Sids are no secret, and a request may name any. So a socket is left out only if its user is that of
the request: a visitor can keep events from themselves, and from nobody else.
"""

from dataclasses import dataclass
from typing import Any

from .rooms import is_sid

#: The header in which pages name their sockets; realtime/static/realtime/page/sids.js sends it.
HEADER = "X-Realtime-Sids"
#: So many sockets of a page count: one for each namespace.
MAX_SIDS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """The sids that a request named, and the room of its user; None for an anonymous one."""

    sids: frozenset[str]
    user: str | None


def is_request(item: Any) -> bool:
    """Whether this is an HTTP request: Django's, or one that wraps it, as REST framework's does."""
    return hasattr(item, "META") and hasattr(item, "headers")


def sids_of(request: Any) -> frozenset[str]:
    """The sids in a request's header. What is no sid is ignored: clients may send anything."""
    header: str = request.META.get(f"HTTP_{HEADER.upper().replace('-', '_')}", "")
    names = (name.strip() for name in header.split(",", MAX_SIDS)[:MAX_SIDS])
    return frozenset(name for name in names if is_sid(name))
