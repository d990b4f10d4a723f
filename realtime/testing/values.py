"""Values as they come out at the other end of a wire."""

from typing import Any

from ..node.packing import pack, unpack


def over_the_wire(values: Any) -> list[Any]:
    """What the other end gets. Raises TypeError or ValueError for what can't be sent."""
    return unpack(pack(values))


def on_the_wire(value: Any) -> Any:
    """The same for what a test expects: what can't be sent, such as `mock.ANY`, stays as it is."""
    if isinstance(value, dict):
        return {key: on_the_wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [on_the_wire(item) for item in value]
    try:
        return over_the_wire([value])[0]
    except (TypeError, ValueError):
        return value
