"""Namespaces: those that have sockets, and how many."""

from collections import Counter

from ..cluster.requests import Answer
from ..node.members import Members
from .arguments import node_timeout
from .asking import Body, Inquiry, Operation, blocking, bound

#: The namespaces that a node names; an application may have one for each object of its own.
MAX_NAMESPACES = 1_000


def _fetch_namespaces(limit: int = 50) -> Operation[dict[str, int]]:
    """The namespaces with the most sockets, and how many those are."""

    async def ask(inquiry: Inquiry) -> dict[str, int]:
        sizes: Counter[str] = Counter()
        for answer in (await inquiry.ask("namespaces.sizes", {})).values():
            sizes.update(answer)
        return dict(sizes.most_common(limit))

    return Operation(ask=ask, timeout=node_timeout(None))


def _answer_sizes(members: Members, body: Body) -> dict[str, int]:
    return dict(Counter(members.population()).most_common(MAX_NAMESPACES))


fetch_namespaces = blocking(_fetch_namespaces)


def answers(members: Members) -> dict[str, Answer]:
    """What a node answers about the namespaces of its own sockets."""
    return bound(members, {"namespaces.sizes": _answer_sizes})
