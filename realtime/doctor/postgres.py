"""What a site must know whose channel layer is PostgreSQL's."""

from typing import Any

from ..conf import settings
from ..node import current
from ..node.base import Node
from .findings import Findings

#: Memberships that are found without an index in about a millisecond.
MANY = 2_000
#: Of the ids of messages, where it is time to do something.
MUCH = 0.5


def examine_postgres(findings: Findings) -> None:
    """The tables of channels_postgres, if they carry the layer."""
    found = current.run(_figures, "doctor", settings.EMIT_TIMEOUT)
    if found is None:
        return
    findings.note(
        "layer",
        "ok",
        f"PostgreSQL holds {found.memberships} memberships and {found.messages} messages. Most of"
        " the messages have been delivered; each is deleted after a minute or two",
    )
    if found.memberships > MANY and not found.has_index:
        findings.note(
            "layer",
            "warning",
            f"each emit and each join searches all {found.memberships} memberships",
            "Create an index: CREATE INDEX CONCURRENTLY ON channels_postgres_groupchannel"
            " (group_key)",
        )
    if found.ids_used is not None and found.ids_used > MUCH:
        findings.note(
            "layer",
            "error",
            f"{found.ids_used:.0%} of the possible message ids are used up; after the last one,"
            " nothing can be sent any more",
            "Make the ids start again: ALTER SEQUENCE channels_postgres_message_id_seq CYCLE",
        )


async def _figures(node: Node) -> Any:
    """Those of cluster/postgres.py, whose library is an extra."""
    layer = node.bus.layer
    return await layer.figures() if hasattr(type(layer), "figures") else None
