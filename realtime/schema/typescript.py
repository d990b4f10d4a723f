"""TypeScript of a site's events, for socket.io-client's `Socket<ServerToClientEvents, ...>`.

Types are written from the same JSON Schema that goes into the AsyncAPI document.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from .containers import LongTuple, Tuple
from .definitions import PREFIX, Definitions, Schema
from .descriptions import Argument, Described, Namespace
from .kinds import Kind

_HEAD = """\
// Written by `manage.py realtime schema --format typescript`. Changes are lost.

/** What is wrong with an event; `errors` says where, for the code "bad_arguments". */
export interface EventFailure {
  code: string;
  message: string;
  data?: unknown;
  errors?: { path: (string | number)[]; message: string; code: string }[];
}

/** The answer to an event that was refused or that failed. */
export interface ErrorAnswer {
  error: EventFailure;
}

/** Binary data: an ArrayBuffer in browsers, a Buffer in Node. */
export type Binary = ArrayBuffer | Uint8Array;
"""
_GLOBALS = ("ArrayBuffer", "Uint8Array")
_OURS = ("EventFailure", "ErrorAnswer", "Binary")
#: Words that can name neither a parameter nor a type, and those that can't name a type.
_RESERVED = frozenset(
    """
    arguments await break case catch class const continue debugger default delete do else enum eval
    export extends false finally for function if implements import in instanceof interface let new
    null package private protected public return static super switch this throw true try typeof var
    void while with yield
    """.split()  # noqa: SIM905 - a list of words
)
_BUILT_IN = (
    "any",
    "bigint",
    "boolean",
    "never",
    "number",
    "object",
    "string",
    "symbol",
    "undefined",
)
_IDENTIFIER = re.compile(r"[^\W\d]\w*", re.ASCII)
_SIMPLE = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "{ [key: string]: unknown }",
    "array": "unknown[]",
}


def typescript(namespaces: Sequence[Namespace]) -> str:
    definitions = Definitions((*_OURS, *_GLOBALS, *_RESERVED, *_BUILT_IN, "unknown"))
    interfaces = []
    for namespace in namespaces:
        prefix = "".join(word[0].upper() + word[1:] for word in namespace.words)
        for ending, events, received in (
            ("ClientToServerEvents", namespace.received, True),
            ("ServerToClientEvents", namespace.sent, False),
        ):
            name = definitions.name(prefix + ending)
            text = f"Namespace {namespace.route}\n\n{namespace.text}".strip()
            interfaces.append(_interface(name, text, events, definitions, received=received))
    types = [
        f"export type {name} = {type_of(schema)};\n"
        for name, schema in sorted(definitions.schemas.items())
    ]
    return "\n".join([_HEAD, *types, *interfaces])


def _interface(
    name: str,
    text: str,
    events: Iterable[Described],
    definitions: Definitions,
    *,
    received: bool,
) -> str:
    lines = [_comment(text, ""), f"export interface {name} {{\n"]
    for event in events:
        lines += [_comment(event.text, "  ")]
        lines += [f"  {_key(event.event)}: {_function(event, definitions, received)};\n"]
    return "".join([*lines, "}\n"])


def _function(event: Described, definitions: Definitions, received: bool) -> str:
    callback = f"callback: {_callback(event, definitions, received)}"
    args = [
        f"{_parameter(arg)}: {type_of(arg.kind.schema(definitions, sent=not received))}"
        for arg in event.args
    ]
    if not received:
        return _arrow([*args, callback] if event.answer is not ... else args)
    least = sum(arg.required for arg in event.args)
    if event.rest is not None:
        # A callback comes last, where TypeScript has no words for it after arguments without end.
        its = type_of(event.rest.kind.schema(definitions, sent=False))
        its = "unknown" if its == "unknown" else f"({its} | ((answer: unknown) => void))"
        return _arrow([*args[:least], f"...{_parameter(event.rest)}: {its}[]"])
    lists = [args[:count] for count in range(least, len(args) + 1)]
    answered = [[*each, callback] for each in lists]
    # A typed answer is asked for: the stock client's emitWithAck has types only for events whose
    # last parameter surely is a callback.
    choices = answered if isinstance(event.answer, Kind) else lists + answered
    if len(choices) == 1:
        return _arrow(choices[0])
    tuples = "".join(f"\n      | [{', '.join(each)}]" for each in choices)
    return f"(\n    ...args:{tuples}\n  ) => void"


def _arrow(parameters: Iterable[str]) -> str:
    return f"({', '.join(parameters)}) => void"


def _callback(event: Described, definitions: Definitions, received: bool) -> str:
    """What the answer of the other side is handed to."""
    answer = event.answer
    if answer is ...:
        return "(answer: unknown) => void"
    if answer is None:
        return "(answer: null | ErrorAnswer) => void" if received else "() => void"
    if received and isinstance(answer, Tuple | LongTuple):
        values = type_of(answer.schema(definitions, sent=True))
        return f"(...answers: {values} | [ErrorAnswer]) => void"
    its = type_of(answer.schema(definitions, sent=received))
    return f"(answer: {its} | ErrorAnswer) => void" if received else f"(answer: {its}) => void"


def _parameter(argument: Argument) -> str:
    name = re.sub(r"\W", "_", argument.name, flags=re.ASCII)
    return f"{name}_" if name in _RESERVED or name == "callback" else name


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def _comment(text: str, indent: str) -> str:
    if not text:
        return ""
    lines = text.replace("*/", "* /").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


def type_of(schema: Schema | bool) -> str:
    """The TypeScript type of a JSON Schema."""
    if isinstance(schema, bool):
        return "unknown" if schema else "never"
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(PREFIX)
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return _union(map(_literal, schema["enum"]))
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return _union(map(type_of, schema[keyword]))
    if "allOf" in schema:
        return " & ".join(f"({type_of(part)})" for part in schema["allOf"])
    if isinstance(schema.get("type"), list):
        return _union(type_of(schema | {"type": each}) for each in schema["type"])
    return _of_one_type(schema)


def _of_one_type(schema: Schema) -> str:
    kind = schema.get("type")
    if kind == "string" and schema.get("format") == "binary":
        return "Binary"
    if kind == "array" and "items" in schema:
        return _array(schema)
    if kind == "array" and schema.get("maxItems") == 0:
        return "[]"
    if "properties" in schema:
        return _object(schema)
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"{{ [key: string]: {type_of(schema['additionalProperties'])} }}"
    return _SIMPLE.get(str(kind), "unknown")


def _array(schema: Schema) -> str:
    items = schema["items"]
    if not isinstance(items, list):
        return f"({type_of(items)})[]" if " " in type_of(items) else f"{type_of(items)}[]"
    least = schema.get("minItems", 0)
    members = [type_of(item) for item in items]
    parts = [each if n < least else f"({each})?" for n, each in enumerate(members)]
    more = schema.get("additionalItems", True)
    if more is not False and schema.get("maxItems") != len(items):
        parts.append(f"...({type_of(more)})[]")
    return f"[{', '.join(parts)}]"


def _object(schema: Schema) -> str:
    required = schema.get("required", ())
    members = [
        f"{_key(name)}{'' if name in required else '?'}: {type_of(its)}"
        for name, its in schema["properties"].items()
    ]
    if isinstance(schema.get("additionalProperties"), dict):
        # Any other type would have to fit the named properties as well.
        members.append("[key: string]: unknown")
    return f"{{ {'; '.join(members)} }}" if members else "{ [key: string]: unknown }"


def _literal(value: Any) -> str:
    return json.dumps(value)


def _union(members: Iterable[str]) -> str:
    unique = list(dict.fromkeys(members))
    return "unknown" if "unknown" in unique else " | ".join(unique)
