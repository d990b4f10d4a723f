"""Instances of the classes that describe events, as what is sent: dicts, lists, texts.

What it makes is what the schema of the class says, so that the clients' types hold.
"""

import dataclasses
import sys
from typing import Any


def plain(value: Any) -> Any:
    """A dataclass, a model of pydantic or a struct of msgspec as a dict. Raises TypeError for all
    else, and what the class's own serialization raises.
    """
    cls = type(value)
    # A library is imported already where there is an instance of one of its classes.
    pydantic, msgspec = sys.modules.get("pydantic"), sys.modules.get("msgspec")
    if pydantic and (
        isinstance(value, pydantic.BaseModel) or pydantic.dataclasses.is_pydantic_dataclass(cls)
    ):
        import pydantic_core

        return pydantic_core.to_jsonable_python(value, by_alias=True)
    if msgspec and isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if dataclasses.is_dataclass(cls):
        # Not asdict(), which copies what is inside; that is encoded as it is anywhere else.
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{cls.__name__} is not JSON serializable")
