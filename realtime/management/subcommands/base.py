"""What a subcommand is, how it prints, and what its exit code says."""

import contextlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.color import Style
from django.core.serializers.json import DjangoJSONEncoder

from ...exceptions import ChannelLayerError

#: Exit codes; 0 means done. With 1 something is wrong, or was not done completely.
INCOMPLETE = 1
#: The command line is invalid. argparse uses this code, too.
USAGE = 2
#: There is no channel layer that reaches the servers, or it is down.
NO_LAYER = 3

Options = dict[str, Any]
Rows = Iterable[Sequence[Any]]


class Output:
    """Where a subcommand prints: tables and lines for people, or JSON for scripts."""

    def __init__(self, write: Callable[[str], Any], style: Style, *, is_json: bool) -> None:
        self.style = style
        self.is_json = is_json
        self._write = write

    def line(self, text: str = "") -> None:
        """Print a line, for people only."""
        if not self.is_json:
            self._write(text)

    def text(self, text: str) -> None:
        """Print a text as it stands, for people and for scripts."""
        self._write(text)

    def table(self, columns: Sequence[str], rows: Rows, *, right: Sequence[str] = ()) -> None:
        """Print a table, for people only. `right` are the columns of numbers."""
        if self.is_json:
            return
        cells = [list(columns), *([printable(str(cell)) for cell in row] for row in rows)]
        widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
        sides = [name in right for name in columns]
        for row in cells:
            padded = map(_padded, row, widths, sides)
            self._write("  ".join(padded).rstrip())

    def json(self, value: Any, *, indent: int | None = 2) -> None:
        """Print a value, for scripts only. Dates are ISO 8601."""
        if self.is_json:
            self._write(json.dumps(value, cls=DjangoJSONEncoder, indent=indent))


@dataclass(frozen=True, kw_only=True, slots=True)
class Subcommand:
    """One subcommand. `run` raises CommandError with an exit code for everything but success."""

    name: str
    help: str
    add_arguments: Callable[[CommandParser], None]
    run: Callable[[Options, Output], None]


def printable(text: str) -> str:
    """The text without control characters: clients choose the names of rooms."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def _padded(text: str, columns: int, is_right: bool) -> str:
    padding = " " * (columns - width(text))
    return padding + text if is_right else text + padding


def usage(text: str) -> CommandError:
    return CommandError(text, returncode=USAGE)


@contextlib.contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Around calls of the public verbs: turns their errors into messages with an exit code.

    They raise ValueError and TypeError for bad arguments, before anything is sent.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        raise usage(str(error)) from error
    except ChannelLayerError as error:
        raise CommandError(str(error), returncode=NO_LAYER) from error


def check_complete(missing: Sequence[str]) -> None:
    """Once the result is printed, raise an error if nodes are missing from it."""
    if missing:
        nodes = "a node" if len(missing) == 1 else f"{len(missing)} nodes"
        raise CommandError(
            f"{nodes} did not answer and {'is' if len(missing) == 1 else 'are'} missing from this"
            f" result: {', '.join(missing)}. `manage.py realtime status` says more.",
            returncode=INCOMPLETE,
        )
