"""Ask and steer the sockets of all processes."""

from ..server.namespaces import Namespaces
from . import inspection, node_facts, server_events, steering, user_inspection


def install(namespaces: Namespaces) -> None:
    """Let a server's node answer what operations ask."""
    node = namespaces.node
    for answers in (
        inspection.answers(node.members),
        user_inspection.answers(node.members),
        steering.answers(namespaces),
        server_events.answers(),
        node_facts.answers(node),
    ):
        node.requests.answers.update(answers)
