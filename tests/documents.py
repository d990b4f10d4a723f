"""The README and docs as data: each code block with its language and the comment before it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_block = re.compile(
    r"(?:^<!-- (?P<note>[^>]*) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Block:
    document: str
    line: int
    language: str
    note: str
    code: str

    @property
    def path(self) -> str:
        """The file that it is, or that it goes to the end of: `<!-- file: app/models.py -->`."""
        kind, _, name = self.note.partition(": ")
        return name.partition(", ")[0] if kind == "file" else ""

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks() -> Iterator[Block]:
    for document in DOCUMENTS:
        text = document.read_text()
        for match in _block.finditer(text):
            yield Block(
                document=document.relative_to(ROOT).as_posix(),
                line=text.count("\n", 0, match.start("code")),
                language=match["language"],
                note=match["note"] or "",
                code=match["code"],
            )
