"""Autobahn, the websocket library of Daphne: what it reads, and what it logs.

tests/conformance/test_engine_guards.py fails if a release moves one of the names used here.
"""

from __future__ import annotations

import logging
import sys
import time
from pprint import pformat
from typing import Any

from .reader import FrameReader


class _Shown:
    """Formats a value when it is asked for its text, and not before."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        return pformat(self._value)


def _pformat(value: Any, *args: Any, **kwargs: Any) -> Any:
    # Autobahn formats its list of options for a line of its log, and dicts for who asks for them.
    if type(value) is list and not args and not kwargs:
        return _Shown(value)
    return pformat(value, *args, **kwargs)


def format_options_lazily() -> None:
    """Keep Autobahn from formatting its forty options at each connect, a fifth of the time of one.

    They are for a line at its debug level, which reads as before where it is logged.
    """
    module: Any = sys.modules.get("autobahn.websocket.protocol")
    if getattr(module, "pformat", None) is pformat:
        module.pformat = _pformat


class AutobahnReader(FrameReader):
    """Before Autobahn's parser."""

    __slots__ = ()

    def read(self, data: bytes) -> None:
        """What Twisted's transport has read."""
        if not self.is_open():
            self.pass_on(data)
            return
        if self.feed(data):
            # Daphne pings a client that has sent nothing for a while.
            self._protocol.last_ping = time.time()

    def pass_on(self, data: bytes) -> None:
        # The method of its class: on the object itself it is ours.
        type(self._protocol).dataReceived(self._protocol, data)

    def is_open(self) -> bool:
        protocol = self._protocol
        # While a ping of the server waits for its pong, any frame stands for one: for Autobahn.
        return (
            protocol.state == protocol.STATE_OPEN
            and protocol.autoPingTimeoutCall is None
            and not protocol.muted
        )

    def is_between_messages(self) -> bool:
        protocol = self._protocol
        return not (protocol.data or protocol.inside_message) and protocol.current_frame is None

    def is_watched(self) -> bool:
        protocol = self._protocol
        logger = logging.getLogger(type(protocol).__module__)
        logs = protocol.logOctets or protocol.logFrames or protocol.trackedTimings
        return bool(logs) or logger.isEnabledFor(logging.DEBUG)
