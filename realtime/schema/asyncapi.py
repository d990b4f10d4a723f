"""AsyncAPI 3 of a site's events: a channel for each namespace, an operation for each event.

The payload of a message is the array of the event's arguments.
"""

import re
from collections.abc import Sequence
from typing import Any

from .containers import LongTuple, Tuple, array_of
from .definitions import PREFIX, Definitions, Schema
from .descriptions import Described, Namespace
from .kinds import Kind

_ERROR: Schema = {
    "type": "object",
    "description": "The answer to an event that was refused or that failed.",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "data": {},
                "errors": {
                    "type": "array",
                    "description": "Where the arguments are wrong, for the code bad_arguments.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "path": {"type": "array", "items": {"type": ["string", "integer"]}},
                            "message": {"type": "string"},
                            "code": {"type": "string"},
                        },
                        "required": ["path", "message", "code"],
                    },
                },
            },
            "required": ["code", "message"],
        }
    },
    "required": ["error"],
}
_ERROR_REF = {"$ref": f"{PREFIX}ErrorAnswer"}


def asyncapi(namespaces: Sequence[Namespace], *, title: str, version: str) -> dict[str, Any]:
    return _Document(namespaces).write(title, version)


class _Document:
    def __init__(self, namespaces: Sequence[Namespace]) -> None:
        self._namespaces = namespaces
        self._definitions = Definitions(["ErrorAnswer"])
        self._channels: dict[str, Any] = {}
        self._operations: dict[str, Any] = {}
        #: Names of channels, messages and operations, which have a short alphabet.
        self._names = Definitions()

    def write(self, title: str, version: str) -> dict[str, Any]:
        for namespace in self._namespaces:
            self._add(namespace)
        schemas = {"ErrorAnswer": _ERROR} | self._definitions.schemas
        return {
            "asyncapi": "3.0.0",
            "info": {"title": title, "version": version},
            "defaultContentType": "application/json",
            "channels": self._channels,
            "operations": self._operations,
            "components": {"schemas": dict(sorted(schemas.items()))},
        }

    def _add(self, namespace: Namespace) -> None:
        key = self._names.name("_".join(namespace.words) or "main")
        messages: dict[str, Any] = {}
        channel: dict[str, Any] = {
            "address": re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", namespace.route),
            "title": f"Namespace {namespace.route}",
        }
        if namespace.text:
            channel["description"] = namespace.text
        converters = re.findall(r"<(?:(\w+):)?(\w+)>", namespace.route)
        if converters:
            channel["parameters"] = {
                name: {"description": f"A path converter of Django: {converter or 'str'}"}
                for converter, name in converters
            }
        self._channels[key] = channel | {"messages": messages}
        for event in namespace.received:
            self._add_event(key, messages, event, received=True)
        for event in namespace.sent:
            self._add_event(key, messages, event, received=False)

    def _add_event(
        self, channel: str, messages: dict[str, Any], event: Described, *, received: bool
    ) -> None:
        direction = "receive" if received else "send"
        name = self._names.name(f"{channel}_{direction}_{event.event}")
        messages[name] = {"name": event.event, "payload": self._payload(event, received)}
        here = {"$ref": f"#/channels/{channel}"}
        operation: dict[str, Any] = {
            "action": direction,
            "channel": here,
            "title": event.event,
            "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"}],
        }
        if event.text:
            operation["description"] = event.text
        if received or event.answer is not ...:
            answer = self._names.name(f"{name}_answer")
            payload = self._answer(event.answer, received)
            messages[answer] = {"name": f"{event.event} (answer)", "payload": payload}
            reference = {"$ref": f"#/channels/{channel}/messages/{answer}"}
            operation["reply"] = {"channel": here, "messages": [reference]}
        self._operations[name] = operation

    def _payload(self, event: Described, received: bool) -> Schema:
        items = [arg.kind.schema(self._definitions, sent=not received) for arg in event.args]
        least = sum(arg.required for arg in event.args)
        rest: Any = False
        if event.rest is not None:
            rest = event.rest.kind.schema(self._definitions, sent=False) or True
        return array_of(items, least, rest)

    def _answer(self, answer: Kind | Any, received: bool) -> Schema:
        if answer is None:
            values = array_of([{"type": "null"}]) if received else array_of([])
        elif answer is ...:
            values = {"type": "array"}
        elif received and isinstance(answer, Tuple | LongTuple):
            values = answer.schema(self._definitions, sent=True)
        else:
            values = array_of([answer.schema(self._definitions, sent=received)])
        return {"oneOf": [values, array_of([_ERROR_REF])]} if received else values
