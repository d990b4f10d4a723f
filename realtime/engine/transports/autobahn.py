"""Autobahn, the websocket library of Daphne: what it reads, and what it logs.

tests/conformance/test_engine_guards.py fails if a release moves one of the names used here.
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Callable
from pprint import pformat
from typing import Any

from .reader import FrameReader


class _Shown:
    """Formats a value when it is asked for its text, and not before."""

    __slots__ = ("_show", "_value")

    def __init__(self, show: Callable[[Any], str], value: Any) -> None:
        self._show = show
        self._value = value

    def __str__(self) -> str:
        return self._show(self._value)


def _pformat(value: Any, *args: Any, **kwargs: Any) -> Any:
    # Autobahn formats its list of options for a line of its log, and dicts for who asks for them.
    if type(value) is list and not args and not kwargs:
        return _Shown(pformat, value)
    return pformat(value, *args, **kwargs)


#: The modules that log each step of a handshake, and the functions that colour what is in the line.
_LOGGING = ("autobahn.websocket.protocol", "autobahn.twisted.websocket")
_COLOURING = ("hltype", "hlval")


def format_log_lazily() -> None:
    """Keep Autobahn from formatting what it does not log.

    At each connect that was its forty options, a fifth of the time of one, and in colour the name
    of each method that is called, another twentieth. They are for lines at its debug level, which
    read as before where they are logged.
    """
    for name in _LOGGING:
        module: Any = sys.modules.get(name)
        if getattr(module, "pformat", None) is pformat:
            module.pformat = _pformat
        for colouring in _COLOURING:
            show: Any = getattr(module, colouring, None)
            if getattr(show, "__module__", None) == "autobahn.util":
                setattr(module, colouring, functools.partial(_Shown, show))


class AutobahnReader(FrameReader):
    """Before Autobahn's parser."""

    __slots__ = ()

    def read(self, data: bytes) -> None:
        """What Twisted's transport has read."""
        if not self.is_open():
            self.hand_on(data)
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
