"""What a client sent, in lines of logs and in errors."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from realtime.exceptions import RoomError
from realtime.logs import MAX_MESSAGE, MAX_TEXT, HideSessions, JSONFormatter, brief, facts, failed
from realtime.node import rooms
from realtime.operations.readable import readable

MEGABYTE = "x" * 1_000_000


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.TextIOWrapper]]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)


def _read(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def test_a_text_is_shortened_and_says_so() -> None:
    assert brief("short") == "short"
    assert len(brief(MEGABYTE)) < MAX_TEXT + 50
    assert "1000000 characters" in brief(MEGABYTE)


def test_the_message_of_a_failure_is_shortened(written: Any) -> None:
    logger, stream = written
    try:
        int(MEGABYTE)
    except ValueError:
        failed(logger, "it failed for %s", "sid")
    try:
        raise ValueError(MEGABYTE)
    except ValueError:
        failed(logger, "it failed for %s", "sid")
    text = _read(stream)
    assert text.count("it failed for sid") == 2
    assert "ValueError: xxx" in text and "test_logs.py" in text
    assert len(text) < 2 * MAX_MESSAGE + 2_000


def test_an_ordinary_failure_is_logged_as_ever(written: Any) -> None:
    logger, stream = written
    try:
        raise ValueError("short")
    except ValueError:
        failed(logger, "it failed")
    assert "Traceback" in _read(stream) and "ValueError: short" in _read(stream)


@pytest.mark.parametrize("name", [[MEGABYTE], {"a": MEGABYTE}, MEGABYTE, 5, None])
def test_the_error_of_a_room_name_is_short(name: Any) -> None:
    with pytest.raises(RoomError) as caught:
        rooms.to_join(name)
    assert len(str(caught.value)) < 300


def test_a_lone_surrogate_loses_no_record(written: Any) -> None:
    logger, stream = written
    handler = logger.handlers[0]
    handler.setFormatter(JSONFormatter())
    # Past the logger: pytest's workers can't hand on a captured line that is no valid Unicode.
    about = facts(namespace="/", event="a\udfff")
    handler.handle(
        logger.makeRecord(
            "x", logging.WARNING, "x.py", 1, "event %s", ("\ud800",), None, extra=about
        )
    )
    line = json.loads(_read(stream))
    assert line["event"] == "a\\udfff"
    assert line["message"] == "event \ud800"


def test_a_lone_surrogate_in_data_can_be_shown() -> None:
    data = json.loads(readable({"a": "\ud800", "\udc00": ["\ud801"], "long": "\ud800" * 20_000}))
    json.dumps(data, ensure_ascii=False).encode()


def test_the_secret_of_a_session_is_taken_out_of_access_logs(written: Any) -> None:
    logger, stream = written
    logger.handlers[0].addFilter(HideSessions())
    line = '%s - "%s %s HTTP/%s" %d'
    path = "/socket.io/?EIO=4&transport=polling&sid=abc.secret&t=1"
    logger.warning(line, "127.0.0.1:5", "GET", path, "1.1", 200)
    text = _read(stream)
    assert "secret" not in text and "sid=...&t=1" in text
