"""What the engine asks of the relay, which is above it."""

from __future__ import annotations

from typing import Any, Protocol

from .transports.http import Receive, Send


class Carrier(Protocol):
    """What reaches sessions of other processes; see relay/."""

    async def carry(self, scope: dict[str, Any], receive: Receive, send: Send) -> bool:
        """Answer a request for another process's session; False if it is for none."""

    async def announced(self) -> None:
        """Wait until the other processes have heard of this one, but not for long."""

    def retire(self) -> None:
        """This process is about to end: let what is carried end soon."""

    def refuse_body(self, sid: str) -> None:
        """The body of a request for this session was over the limit."""
