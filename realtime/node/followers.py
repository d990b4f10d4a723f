"""What follows the sockets of this process as they come and go: presence, for one."""

from typing import Any

from .sockets import Socket


class Follower:
    """Is told by a node what happens to its sockets; override the methods that you need.

    All plain ones are called on the event loop while the socket is changing, and must neither raise
    nor block.
    """

    def wants_presence(self, socket: Socket, room: str) -> None:
        """A socket joined a room, or will when it is accepted, and is to count as present there."""

    def start(self) -> None:
        """The node was started; called on its event loop."""

    def renaming(self, socket: Socket) -> None:
        """A connected socket is about to be known as another user's."""

    def renamed(self, socket: Socket) -> None:
        """It is now, and `identified` was called."""

    def identified(self, socket: Socket) -> None:
        """It became known who a socket is, `socket.login`; mostly before its application ran."""

    async def confirm(self, socket: Socket) -> None:
        """A socket is about to be connected; close its connection if it must not be."""

    def accepted(self, socket: Socket) -> None:
        """A socket is connected."""

    def admitted(self, socket: Socket, room: str | None, admission: Any) -> None:
        """A rule let a socket into a room, or for None into its namespace.

        The admission is an Admission of rules/asking.py.
        """

    def refused(self, socket: Socket) -> None:
        """A socket that was connecting is not accepted, or left before it was."""

    def left(self, socket: Socket, room: str) -> None:
        """A socket is about to leave a room."""

    def removed(self, socket: Socket) -> None:
        """A socket was connected, and is gone."""

    async def stop(self) -> None:
        """The node is about to stop."""
