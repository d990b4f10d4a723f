"""Ask and steer the sockets of all processes: from any code, with a server or without.

There is a file for each noun, `sockets`, `rooms`, `users`, `namespaces`, `nodes` and `servers`, and
two for what is done to sockets, `steering` and `calls`. In each, what is asked of the nodes stands
beside what a node answers: they share the question's name, such as "sockets.keys", and what it
says, and they change together. `reports` has the types of the results.

What `realtime` exports has an async twin with an `a` in front. `to` is what it is in `emit`: a room
name, a sid, a user, a saved model instance, or a list of them; None is everyone in the namespace.
`namespace` None is every namespace. `timeout` is how long the nodes have, in seconds,
`REALTIME["REQUEST_TIMEOUT"]` by default. What does not exist matches nothing and is no error. A
node that does not answer is named in the result's `missing`. Raises ValueError, TypeError and
RoomError for bad arguments before anything is sent, SyncEmitInAsyncCode for a sync function in
async code, and ChannelLayerError where other processes can't be reached.
"""

from ..server.server import Server
from . import calls, namespaces, nodes, rooms, servers, sockets, steering, users


def install(server: Server) -> None:
    """Let a server's node answer what operations ask."""
    node = server.node
    for answers in (
        sockets.answers(node.members),
        rooms.answers(node.members),
        users.answers(node.members),
        namespaces.answers(node.members),
        nodes.answers(server),
        servers.answers(),
        steering.answers(server.namespaces),
        calls.answers(server.namespaces),
    ):
        node.requests.answers.update(answers)
