"""Who wants to hear what becomes of this process's sockets: presence, for one."""

from .sockets import Socket


class Follower:
    """What a node tells of its sockets; override what concerns you.

    Each method but `stop` is called on the event loop, while the socket is changing: it must
    neither raise nor block.
    """

    def wants_presence(self, socket: Socket, room: str) -> None:
        """A socket joined a room, or will with its acceptance, and is to be present there."""

    def accepted(self, socket: Socket) -> None:
        """A socket is connected."""

    def refused(self, socket: Socket) -> None:
        """A socket that was connecting is not accepted, or left before it was."""

    def left(self, socket: Socket, room: str) -> None:
        """A socket is about to leave a room."""

    def removed(self, socket: Socket) -> None:
        """A socket was connected, and is gone."""

    async def stop(self) -> None:
        """The node is about to stop."""
