"""Types of pydantic and msgspec, which their own library checks; and what only pydantic knows."""

import re
import sys
import typing
from collections.abc import Sequence
from typing import Any

from .definitions import Definitions, Schema
from .faults import Fault, Invalid
from .kinds import Kind

#: pydantic lists all faults or none, and takes seconds for those of a payload of nonsense.
_MANY = 1_000


class PydanticKind(Kind):
    def __init__(self, annotation: Any) -> None:
        import pydantic

        self._annotation = annotation
        self._adapter: Any = pydantic.TypeAdapter(annotation)
        self._error = pydantic.ValidationError

    def load(self, value: Any) -> Any:
        try:
            return self._adapter.validate_python(value)
        except self._error as error:
            count = error.error_count()
            if count > _MANY:
                raise Invalid.of(f"has {count} faults", "invalid") from None
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise Invalid(*(Fault(e["msg"], e["type"], e["loc"]) for e in found)) from None

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        mode = "serialization" if sent else "validation"
        made = self._adapter.json_schema(mode=mode)
        return definitions.adopt(made, _name_of(self._annotation))


class MsgspecKind(Kind):
    def __init__(self, annotation: Any) -> None:
        import msgspec

        self._annotation = annotation
        self._msgspec = msgspec
        # So that what msgspec can't do is said here, not when the first event comes.
        msgspec.json.schema(annotation)

    def load(self, value: Any) -> Any:
        try:
            return self._msgspec.convert(value, self._annotation)
        except self._msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            raise Invalid(Fault(message, "invalid", tuple(_steps(path)))) from None

    def schema(self, definitions: Definitions, *, sent: bool) -> Schema:
        made = self._msgspec.json.schema(self._annotation)
        return definitions.adopt(made)


def _steps(path: str) -> list[str | int]:
    """msgspec's `.items[0].title`; it does not say which key of a dict it was."""
    found = re.findall(r"\.([^.\[`]+)|\[(\d+|\.\.\.)\]", path)
    return [name or (int(index) if index.isdigit() else index) for name, index in found]


def _name_of(annotation: Any) -> str | None:
    return annotation.__name__ if isinstance(annotation, type) else None


def kind_of(annotation: Any) -> Kind | None:
    """For the classes of a library. It is imported already where there is such a class."""
    if not isinstance(annotation, type):
        return None
    pydantic, msgspec = sys.modules.get("pydantic"), sys.modules.get("msgspec")
    if pydantic and (
        issubclass(annotation, pydantic.BaseModel)
        or pydantic.dataclasses.is_pydantic_dataclass(annotation)
    ):
        return PydanticKind(annotation)
    if msgspec and issubclass(annotation, msgspec.Struct):
        return MsgspecKind(annotation)
    return None


def constrained(annotation: Any, extras: Sequence[Any]) -> Kind | None:
    """For `Annotated` with what only a library understands, such as pydantic's Field(gt=0)."""
    homes = {type(extra).__module__.partition(".")[0] for extra in extras}
    if homes & {"pydantic", "annotated_types"} and _pydantic_is_here():
        return PydanticKind(annotation)
    if "msgspec" in homes:
        return MsgspecKind(annotation)
    return None


def guess(annotation: Any) -> Kind | None:
    """For any other annotation that pydantic, where it is installed, can check and describe."""
    # pydantic takes a type variable for Any.
    if isinstance(annotation, str | typing.TypeVar) or not _pydantic_is_here():
        return None
    import pydantic

    try:
        kind = PydanticKind(annotation)
        kind.schema(Definitions(), sent=False)
    except (pydantic.errors.PydanticUserError, TypeError, NameError):
        return None
    return kind


def _pydantic_is_here() -> bool:
    try:
        import pydantic  # noqa: F401
    except ImportError:
        return False
    return True
