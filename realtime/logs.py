"""Additional attributes of realtime's log records, and a JSON formatter that includes them.

The module imports nothing that needs Django's settings, so that `LOGGING` can use the formatter.
"""

import difflib
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

#: The attributes that records of realtime may have, besides those of every record.
SOCKET_FACTS = ("sid", "namespace", "user", "event")
CONNECTION_FACTS = ("address", "transport")
#: Characters of an event's name, which is the client's, that a record keeps.
MAX_NAME = 100
#: Characters of any other text that may be a client's.
MAX_TEXT = 500
#: Characters of a traceback's last line: an exception's message often quotes what it is about.
MAX_MESSAGE = 1_000

# JSON text has them as escapes, Python's strings take them, and no encoding does.
_surrogate = re.compile("[\ud800-\udfff]")


def brief(value: Any, most: int = MAX_TEXT) -> str:
    """A text that may be a client's, for a line of a log or an error: short, and writable."""
    text = writable(str(value))
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def writable(text: str) -> str:
    """The text without lone surrogates, which stand in it as escapes instead."""
    if text.isascii():
        return text
    return _surrogate.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def meant(name: str, known: Iterable[str]) -> str | None:
    """The known name that somebody who wrote `name` probably meant; None if none is like it."""
    if len(name) > MAX_NAME:  # a client's, and comparing takes its length squared
        return None
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.7)), None)


def failed(logger: logging.Logger, text: str, *args: Any, extra: Any = None) -> None:
    """Log the exception that is being handled, as `logger.exception`.

    Where its message is as long as a client may make it, the traceback is in the text and the
    message in it is short.
    """
    error = sys.exc_info()[1]
    if error is None or len(str(error)) <= MAX_MESSAGE:
        logger.exception(text, *args, extra=extra, stacklevel=2)
        return
    frames = "".join(traceback.format_tb(error.__traceback__))
    message = f"{type(error).__name__}: {brief(error, MAX_MESSAGE)}"
    logger.error(f"{text}\n%s%s", *args, frames, message, extra=extra, stacklevel=2)


def facts(
    *, namespace: str, sid: str | None = None, user: Any = None, event: Any = None
) -> dict[str, str | None]:
    """`extra` for a record about a socket: always all four, None where there is no value.

    The user is identified by the primary key: names change, and are often e-mail addresses.
    """
    key = getattr(user, "pk", None)
    return {
        "sid": sid,
        "namespace": namespace,
        "user": None if key is None else str(key),
        "event": None if event is None else writable(str(event)[:MAX_NAME]),
    }


def shortened(name: Any) -> str:
    """An event's name for logs and answers: it is the client's, and may be as long as a packet."""
    text = str(name)
    return repr(name if len(text) <= MAX_NAME else f"{text[:MAX_NAME]}...")


def connection_facts(connection: Any) -> dict[str, str | None]:
    """`extra` for a record about an Engine.IO connection."""
    return {"address": connection.address, "transport": connection.transport}


class JSONFormatter(logging.Formatter):
    """Formats a record as one line of JSON.

    The object has "time" (UTC), "level", "logger", "message", the attributes of sockets and
    connections that the record has, and "exception"; see docs/metrics.md.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in (*SOCKET_FACTS, *CONNECTION_FACTS):
            if hasattr(record, name):
                line[name] = getattr(record, name)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return writable(json.dumps(line, ensure_ascii=False, default=str))


class HideSessions(logging.Filter):
    """A logging filter that removes the session ids of connections from access logs.

    Use it in LOGGING. Someone who reads the `sid=` of an open connection could take it over.
    """

    _sid = re.compile(r"([?&]sid=)[^&\s\"]+")

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self._hidden(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(self._hidden(value) for value in record.args)
        return True

    def _hidden(self, value: Any) -> Any:
        return self._sid.sub(r"\1...", value) if isinstance(value, str) else value
