"""What a node says of itself when it is asked; `fetch_nodes` collects it."""

import os
import platform
import socket
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

from ..cluster.bus import PROTOCOL
from ..metrics import counters as metrics
from ..node.node import ServingNode
from ..version import __version__

_PACKAGES = ("django", "channels", "channels_redis", "python-socketio", "daphne", "uvicorn")


def answers(node: ServingNode) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """The question that a node answers about itself."""
    return {"node": lambda body: describe(node)}


def describe(node: ServingNode) -> dict[str, Any]:
    """A node's own answer, in plain values."""
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
