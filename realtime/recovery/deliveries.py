"""How emissions reach the sockets of one node in namespaces with a log: with their offset."""

from dataclasses import replace

from ..node import emissions
from ..node.emissions import Emission
from ..node.members import Members
from .catching import concerns, send
from .kept import Kept
from .positions import Position, to_text
from .store import Entry


class Deliveries:
    """Delivers what is in a log, and what is in none."""

    def __init__(self, members: Members, kept: Kept) -> None:
        self._members = members
        self._kept = kept

    def logged(self, position: Position, emission: Emission) -> None:
        """Deliver what the log has at a position."""
        messages = emissions.parser().append(emission.messages, to_text(position))
        self._members.deliver(emission, messages)
        self._kept.hold_back(position, emission)

    def unlogged(self, emission: Emission) -> None:
        """Deliver what nobody can come back to.

        The stock client takes a string at the end of any event for its offset, even the event's
        name. So an event that ends in one gets a true offset: that of the last logged event here,
        up to which the socket has been sent everything.
        """
        messages = emission.messages
        parser = emissions.parser()
        if parser.ends_in_text(messages):
            position = self._kept.store.reached(emission.namespace)
            if self._kept.ahead:
                emission = self._to_those_ahead(emission, position)
            messages = parser.append(messages, to_text(position))
        self._members.deliver(emission, messages)

    def _to_those_ahead(self, emission: Emission, position: Position) -> Emission:
        """Deliver to sockets that have been told more than that; return it for all others."""
        kept = self._kept
        sent = {socket: kept.sessions[socket].sent for socket in kept.ahead}
        behind = {
            s for s, at in sent.items() if s.namespace == emission.namespace and at <= position
        }
        kept.ahead -= behind
        others = [s for s in kept.ahead if s.namespace == emission.namespace]
        for socket in others:
            if concerns(socket, emission):
                send(socket, Entry(position, emission), sent[socket])
        return replace(emission, skip=emission.skip | {socket.sid for socket in others})
