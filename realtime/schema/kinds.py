"""The contract of a kind: what an annotation says, ready to check values and to describe them."""

from typing import Any

from .definitions import Definitions, Schema


class Kind:
    """Any value at all; and the base of what is more particular."""

    #: Whether a key of an object, which is text, can be of this kind.
    is_text = False
    #: The type whose values are taken as they are, if there is one.
    exact: type | None = None
    #: Whether its values have parts, each with a kind of its own.
    is_deep = False

    def load(self, value: Any) -> Any:
        """What a handler gets for a client's value. Raises Invalid."""
        return value

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        """The JSON Schema of what clients send, or, with `sent`, of what the server sends."""
        return {}

    @property
    def is_checked(self) -> bool:
        return type(self) is not Kind


ANYTHING = Kind()
