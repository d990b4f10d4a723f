"""Names of the channel layer's groups, which stand for rooms, namespaces and nodes. Pure."""

import functools
import hashlib
import re
from typing import Any

#: What a process is in a group of the layer for: a room (namespace, name), a namespace
#: (namespace, None), or a group of our own by its name.
Group = tuple[str, str | None] | str

#: The group that every serving process is in.
NODES = "realtime.cluster.nodes"

_node_id = re.compile(r"[A-Za-z0-9_-]{1,100}")


def is_node_id(value: Any) -> bool:
    """Whether a value that the layer brought may be the id of a process."""
    return isinstance(value, str) and _node_id.fullmatch(value) is not None


@functools.lru_cache(maxsize=10_000)
def group_name(namespace: str, room: str | None = None) -> str:
    """The channel layer's group of a room, or of a whole namespace.

    Group names are short and ASCII, room names are not: the name is a digest of both, of 160 bits,
    so that two rooms never share a group. The true names travel in each message all the same.
    """
    if room is None:
        kind, text = "namespace", namespace
    else:
        kind, text = "room", f"{len(namespace)}:{namespace}{room}"
    digest = hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
    return f"realtime.{kind}.{digest}"


def node_group(node_id: str) -> str:
    """The group in which one process is alone; for what is meant for one of its sockets."""
    return f"realtime.node.{node_id}"


def layer_group(group: Group) -> str:
    """The channel layer's name of a group."""
    return group if isinstance(group, str) else group_name(*group)
