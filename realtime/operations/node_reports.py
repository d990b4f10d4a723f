"""Which servers there are, and how they stand: `fetch_nodes` and `afetch_nodes`, from any code."""

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..cluster.requests import Replies
from ..node import current
from ..node.node import Node


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeInfo:
    """One process with a server, as it was when it answered.

    `healthy` means that it hears itself through the channel layer, `draining` that it takes no new
    sockets. `peers` are the nodes that it knows. `stats` are the numbers of `metrics.snapshot()`
    there; docs/metrics.md says what each is.
    """

    id: str
    host: str
    pid: int
    started: datetime
    versions: dict[str, str]
    protocol: int
    healthy: bool
    draining: bool
    peers: tuple[str, ...]
    stats: dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class NodesReport:
    """The nodes that answered, by id; `missing` did not in time.

    `failures` say why a node has no answer: it may run another version.
    """

    nodes: tuple[NodeInfo, ...]
    failures: dict[str, str]
    missing: tuple[str, ...]


def fetch_nodes(*, timeout: float | None = None) -> NodesReport:
    """All processes that serve. `timeout` is in seconds, `REALTIME["REQUEST_TIMEOUT"]` by default.

    Raises SyncEmitInAsyncCode in async code, and ChannelLayerError.
    """
    return _report(current.run(lambda node: _ask(node, timeout), "fetch_nodes", timeout or 0.0))


async def afetch_nodes(*, timeout: float | None = None) -> NodesReport:
    """`fetch_nodes` for async code."""
    return _report(await current.arun(lambda node: _ask(node, timeout)))


def _ask(node: Node, timeout: float | None) -> Coroutine[Any, Any, Replies]:
    return node.requests.ask("node", timeout=timeout)


def _report(replies: Replies) -> NodesReport:
    nodes = [_node(id, answer) for id, answer in sorted(replies.answers.items())]
    return NodesReport(nodes=tuple(nodes), failures=replies.failures, missing=replies.missing)


def _node(id: str, answer: dict[str, Any]) -> NodeInfo:
    return NodeInfo(
        id=id,
        host=answer["host"],
        pid=answer["pid"],
        started=datetime.fromtimestamp(answer["started"], UTC),
        versions=answer["versions"],
        protocol=answer["protocol"],
        healthy=answer["healthy"],
        draining=answer["draining"],
        peers=tuple(answer["peers"]),
        stats=answer["stats"],
    )
