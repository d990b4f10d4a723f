"""The named schemas of one document, each name given once, in the order in which they are met."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"


class Definitions:
    def __init__(self, reserved: Iterable[str] = ()) -> None:
        #: By name, as they go into the document.
        self.schemas: dict[str, Schema] = {}
        self._taken = set(reserved)
        self._names: dict[object, str] = {}

    def name(self, wanted: str) -> str:
        """A name that nothing else in the document has: `wanted`, with a number if need be."""
        base = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_") or "Unnamed"
        if base[0].isdigit():
            base = f"_{base}"
        name, number = base, 2
        while name in self._taken:
            name, number = f"{base}{number}", number + 1
        self._taken.add(name)
        return name

    def refer(self, key: object, wanted: str, make: Callable[[], Schema]) -> Schema:
        """A reference to the definition of `key`, which is made when it is met first."""
        if key not in self._names:
            # Named before it is made: it may refer to itself.
            name = self._names[key] = self.name(wanted)
            self.schemas[name] = {}
            self.schemas[name] = make()
        return {"$ref": f"{PREFIX}{self._names[key]}"}

    def adopt(self, foreign: Schema, wanted: str | None = None) -> Schema:
        """Take over the schema that another library made, with its `$defs`.

        `wanted` names the schema itself, which then is a definition too.
        """
        defs: Mapping[str, Schema] = foreign.get("$defs", {})
        root = {key: value for key, value in foreign.items() if key != "$defs"}

        def reference(name: str) -> Schema:
            raw = defs[name]
            return self.refer(_fingerprint(name, raw), name, lambda: _adopted(raw, reference))

        if wanted is None or "$ref" in root:
            adopted: Schema = _adopted(root, reference)
            return adopted
        return self.refer(_fingerprint(wanted, root), wanted, lambda: _adopted(root, reference))


def _fingerprint(name: str, schema: Schema) -> tuple[str, str]:
    return name, json.dumps(schema, sort_keys=True, default=str)


def _adopted(schema: Any, reference: Callable[[str], Schema]) -> Any:
    """In the words of AsyncAPI's draft-07 superset, where the newer drafts have others."""
    if isinstance(schema, list):
        return [_adopted(item, reference) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return reference(schema["$ref"].rpartition("/")[2])
    adopted = {}
    for key, value in schema.items():
        if key == "prefixItems":
            adopted["items"] = _adopted(value, reference)
            adopted["additionalItems"] = _adopted(schema.get("items", False), reference)
        elif key == "contentEncoding":
            # Binary data travels as bytes with Socket.IO, not as base64.
            adopted["format"] = "binary"
        elif key in ("const", "default", "enum", "examples", "required"):
            adopted[key] = value
        elif key == "properties":
            # Its keys are names of the application, whatever they look like.
            adopted[key] = {name: _adopted(its, reference) for name, its in value.items()}
        elif key not in ("discriminator", "title") and not (
            key == "items" and "prefixItems" in schema
        ):
            adopted[key] = _adopted(value, reference)
    return adopted
