"""The attributes of realtime's log records besides their text, and a JSON formatter for them.

Imports nothing that needs Django's settings, so that `LOGGING` can name the formatter.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

#: The attributes that records of realtime may have, besides those of every record.
SOCKET_FACTS = ("sid", "namespace", "user", "event")
CONNECTION_FACTS = ("address", "transport")
#: Characters of an event's name, which is the client's, that a record keeps.
MAX_NAME = 100


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
        "event": None if event is None else str(event)[:MAX_NAME],
    }


def shortened(name: Any) -> str:
    """An event's name for logs and answers: it is the client's, and may be as long as a packet."""
    text = str(name)
    return repr(name if len(text) <= MAX_NAME else f"{text[:MAX_NAME]}...")


def connection_facts(connection: Any) -> dict[str, str | None]:
    """`extra` for a record about an Engine.IO connection."""
    return {"address": connection.address, "transport": connection.transport}


class JSONFormatter(logging.Formatter):
    """One JSON object on one line for each record: `time` (UTC), `level`, `logger`, `message`,
    the attributes of sockets and connections, and `exception`.
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
        return json.dumps(line, ensure_ascii=False, default=str)
