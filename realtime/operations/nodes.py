"""Nodes, which are the processes with a server: the state of each, and draining them."""

import os
import platform
import socket
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from ..cluster.bus import PROTOCOL
from ..cluster.requests import Answer, Replies
from ..conf import settings
from ..metrics import counters as metrics
from ..node.node import ServingNode
from ..server.drain import Drain
from ..server.server import Server
from ..version import __version__
from .arguments import node_timeout
from .asking import Body, Inquiry, Operation, blocking, bound, twins
from .reports import NodeInfo, NodesReport

_PACKAGES = ("django", "channels", "channels_redis", "python-socketio", "daphne", "uvicorn")


# What a node says of itself


def _fetch_nodes(*, timeout: float | None = None) -> Operation[NodesReport]:
    """Return the state of all nodes, which are the processes with a server.

    `timeout` is in seconds, by default `REALTIME["REQUEST_TIMEOUT"]`.
    """

    async def ask(inquiry: Inquiry) -> NodesReport:
        replies = await inquiry.replies("node")
        nodes = tuple(_info(id, answer) for id, answer in sorted(replies.answers.items()))
        return NodesReport(nodes=nodes, failures=replies.failures, missing=replies.missing)

    return Operation(ask=ask, timeout=node_timeout(timeout))


def _info(id: str, answer: Body) -> NodeInfo:
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


def _fetch_clock(node: str) -> Operation[float | None]:
    """What time it is at a node, as Unix time; None if it does not say."""

    async def ask(inquiry: Inquiry) -> float | None:
        replies = await inquiry.replies("node", nodes=[node])
        now = replies.answers.get(node, {}).get("now")
        return None if now is None else float(now)

    return Operation(ask=ask, timeout=node_timeout(None))


def _answer_node(node: ServingNode, body: Body) -> Body:
    nodes = node.cluster.nodes
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": node.started_at,
        # For whoever asks whether our clocks agree.
        "now": time.time(),
        "versions": _versions(),
        "protocol": PROTOCOL,
        "healthy": nodes.healthy,
        "draining": nodes.draining,
        "peers": sorted(nodes.live),
        "stats": metrics.snapshot(),
    }


def _versions() -> dict[str, str]:
    versions = {"realtime": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        # Only what this process uses: a server that is installed and not running is no fact of it.
        if name.replace("python-", "").replace("-", "_") in sys.modules:
            versions[name] = metadata.version(name)
    return versions


# Drain


def _drain_nodes(nodes: Collection[str], *, resume: bool = False) -> Operation[Replies]:
    """Let these nodes close their connections and take no new ones, or `resume` to take them.

    They wait for `REALTIME["DRAIN_DELAY"]` first, as at SIGTERM.

    Each answers `{"draining": bool, "connections": how many are open}`.
    """
    return _ask_about_drain(nodes, {"resume": True} if resume else {})


def _fetch_drain_progress(nodes: Collection[str]) -> Operation[Replies]:
    """How far these nodes are: the answers of `drain_nodes`, and nothing is changed."""
    return _ask_about_drain(nodes, {"ask": True})


def _ask_about_drain(nodes: Collection[str], body: Body) -> Operation[Replies]:
    async def ask(inquiry: Inquiry) -> Replies:
        return await inquiry.replies("drain", body, nodes=nodes)

    return Operation(ask=ask, timeout=node_timeout(None))


def _answer_drain(drain: Drain, body: Body) -> dict[str, Any]:
    if body.get("resume"):
        drain.resume()
    elif not body.get("ask"):
        drain.begin(delay=settings.DRAIN_DELAY)
    return {"draining": drain.began, "connections": drain.connections}


fetch_nodes, afetch_nodes = twins(_fetch_nodes)
fetch_clock = blocking(_fetch_clock)
drain_nodes = blocking(_drain_nodes)
fetch_drain_progress = blocking(_fetch_drain_progress)


def answers(server: Server) -> dict[str, Answer]:
    """What a node answers about itself."""
    about_node = bound(server.node, {"node": _answer_node})
    return about_node | bound(server.drain, {"drain": _answer_drain})
