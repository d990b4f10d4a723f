"""What an examination found."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error", "left out"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The result of one test. `hint` says what to change; `seconds` is how long the test took."""

    topic: str
    level: Level
    text: str
    hint: str = ""
    seconds: float | None = None


class Ailment(Exception):
    """Something does not work; the text says what, `hint` what to change."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class Findings(list[Finding]):
    """All findings, in the order in which they were made."""

    def note(
        self, topic: str, level: Level, text: str, hint: str = "", seconds: float | None = None
    ) -> None:
        self.append(Finding(topic=topic, level=level, text=text, hint=hint, seconds=seconds))

    @contextmanager
    def trying(self, topic: str) -> Iterator["Success"]:
        """Test something: an Ailment becomes an error, anything else a success with its time."""
        success, started = Success(), time.perf_counter()
        try:
            yield success
        except Ailment as ailment:
            self.note(topic, "error", str(ailment), ailment.hint)
        else:
            success.worked = True
            self.note(topic, "ok", success.text, seconds=time.perf_counter() - started)

    def number_of(self, level: Level) -> int:
        return sum(finding.level == level for finding in self)


class Success:
    """What a test reports when it worked."""

    text = "it works"
    worked = False
