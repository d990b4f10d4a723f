"""The two JSON modules: the same values, the same texts."""

import datetime
import decimal
import json as plain
import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.test import override_settings
from django.utils.translation import gettext_lazy
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import json, orjson
from realtime.node import emissions
from realtime.protocol.packets import Packet
from realtime.protocol.text import JSONParser

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


def test_parser_follows_the_settings() -> None:
    packet = Packet(2, "/", ["e", b"1", b"2"])
    for limit, fine in [(1, False), (2, True), (1, False)]:
        with override_settings(REALTIME={"MAX_ATTACHMENTS": limit}):
            if fine:
                assert emissions.messages_of(packet)[1:] == (b"1", b"2")
            else:
                with pytest.raises(ValueError, match="at most 1"):
                    emissions.messages_of(packet)


@both
def test_binary_values_become_attachments(module: ModuleType) -> None:
    packet = Packet(2, "/x", ["e", b"1", {"two": b"2", "at": decimal.Decimal(3)}], 7)
    messages = JSONParser(module).encode(packet)
    assert messages[1:] == (b"1", b"2")
    assert messages[0] == (
        '52-/x,7["e",{"_placeholder":true,"num":0},{"two":{"_placeholder":true,"num":1},"at":"3"}]'
    )


# The module takes shortcuts; the standard library's own way is what it is compared with.

texts = st.text(st.characters(exclude_categories=[]), max_size=8)
scalars = (
    *(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    *(st.decimals(), st.uuids(), st.dates(), st.datetimes(), st.timedeltas()),
    *(st.binary(max_size=3), st.just(object()), st.just({1})),
)
names = texts | st.integers() | st.floats() | st.booleans() | st.none() | st.tuples(st.integers())
values = st.recursive(
    st.one_of(scalars),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=8,
)
documents = st.builds(
    lambda before, value, after: before + value + after,
    *(
        st.sampled_from(["", " ", "\n\t", "\xa0", "x", "["]),
        values.map(lambda value: plain.dumps(value, default=str, skipkeys=True)),
        st.sampled_from(["", " ", "\r\n", "\xa0", "]", ",1", " {", "\0"]),
    ),
)


def outcome(function: Callable[[], Any]) -> Any:
    try:
        return repr(function())
    except (TypeError, ValueError, RecursionError) as error:
        return type(error), str(error)


def write(value: Any) -> str:
    options: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False}
    return plain.dumps(value, cls=DjangoJSONEncoder, separators=(",", ":"), **options)


def read(text: str) -> Any:
    long = {"parse_int": json._finite_integer} if len(text) >= json._ENDLESS else {}
    return plain.loads(text, parse_float=json._finite, parse_constant=json._refuse_constant, **long)


@given(values)
@settings(max_examples=300)
def test_values_are_written_as_the_standard_library_does(value: Any) -> None:
    assert outcome(lambda: json.dumps(value)) == outcome(lambda: write(value))


@given(documents)
@settings(max_examples=300)
def test_texts_are_read_as_the_standard_library_does(text: str) -> None:
    assert outcome(lambda: json.loads(text)) == outcome(lambda: read(text))


def test_a_value_that_holds_itself_is_refused_and_the_next_is_written() -> None:
    loop: list[Any] = [1]
    loop.append({"again": loop})
    with pytest.raises(ValueError, match="Circular reference"):
        json.dumps(loop)
    loop.pop()
    assert json.dumps([loop, loop]) == "[[1],[1]]"


def test_a_value_that_is_too_deep_is_refused() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(RecursionError):
        json.dumps(value)
