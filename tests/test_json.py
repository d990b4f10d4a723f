"""The two JSON modules: the same values, the same texts."""

import datetime
import decimal
import uuid
from types import ModuleType
from typing import Any

import pytest
from django.utils.translation import gettext_lazy

from realtime import json, orjson
from realtime.protocol.packets import JSONParser, Packet

both = pytest.mark.parametrize("module", [json, orjson])


@both
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None, True, "ä"]}, '{"a":[1,2.5,null,true,"ä"]}'),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 678901), '"2026-01-02T03:04:05.678"'),
        (datetime.date(2026, 1, 2), '"2026-01-02"'),
        (decimal.Decimal("1.50"), '"1.50"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (gettext_lazy("Yes"), '"Yes"'),
        ({1: "a"}, '{"1":"a"}'),
        ((1, 2), "[1,2]"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_values_are_written_alike(module: ModuleType, value: Any, text: str) -> None:
    assert module.dumps(value) == text


@both
@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
def test_what_json_cannot_hold_is_refused(module: ModuleType, value: Any) -> None:
    with pytest.raises(TypeError):
        module.dumps([value])


@both
@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "1e999", "", "{", "9" * 5000, "'a'"])
def test_what_is_not_json_is_refused(module: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        module.loads(text)


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json.dumps([float("nan")])
    assert orjson.dumps([float("nan")]) == "[null]"


@both
def test_lone_surrogates_are_passed_on_escaped(module: ModuleType) -> None:
    assert module.loads('["\\ud800"]') == ["\ud800"]
    messages = JSONParser(module).encode(Packet(2, "/", ["e", "\ud800ä"]))
    assert messages == ('2["e","\\ud800ä"]',)


@both
def test_binary_values_become_attachments(module: ModuleType) -> None:
    packet = Packet(2, "/x", ["e", b"1", {"two": b"2", "at": decimal.Decimal(3)}], 7)
    messages = JSONParser(module).encode(packet)
    assert messages[1:] == (b"1", b"2")
    assert messages[0] == (
        '52-/x,7["e",{"_placeholder":true,"num":0},{"two":{"_placeholder":true,"num":1},"at":"3"}]'
    )
