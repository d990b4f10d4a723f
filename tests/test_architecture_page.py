"""docs/architecture.md names files that exist, and leaves no part of realtime/ out."""

import re

import pytest

from .documents import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:realtime|tests|docs)/[\w/.-]*)`", PAGE)))
#: What is a part of `realtime/`, and not a by-product of running it.
ROOMS = sorted(
    f"{path.relative_to(ROOT).as_posix()}{'/' if path.is_dir() else ''}"
    for path in (ROOT / "realtime").iterdir()
    if path.name != "__pycache__"
)


@pytest.mark.parametrize("name", NAMED)
def test_named_file_exists(name: str) -> None:
    path = ROOT / name
    assert path.is_dir() if name.endswith("/") else path.is_file()


@pytest.mark.parametrize("room", ROOMS)
def test_map_has_each_room(room: str) -> None:
    the_map = PAGE[PAGE.index("## The map") : PAGE.index("## How an emit travels")]
    assert f"`{room}`" in the_map


@pytest.mark.parametrize("section", ["How an emit travels", "How a client's event travels"])
def test_each_hop_names_the_file_that_does_it(section: str) -> None:
    begin = PAGE.index(f"## {section}")
    rows = re.findall(r"^\| \d+\. .*$", PAGE[begin : PAGE.index("\n## ", begin + 1)], re.MULTILINE)
    assert len(rows) >= 5
    for row in rows:
        assert re.search(r"`realtime/[\w/]+\.py`", row), row


def test_each_change_names_a_file() -> None:
    changes = PAGE[PAGE.index("## Where does my change go?") :]
    rows = re.findall(r"^\| \*\*.*$", changes, re.MULTILINE)
    assert len(rows) >= 9
    for row in rows:
        assert re.search(r"`(realtime|docs)/[\w/.]+`", row), row


def test_each_word_is_told_once() -> None:
    words = PAGE[PAGE.index("## Words") : PAGE.index("### How things end")]
    told = re.findall(r"^\| (\*\*.+?) \|", words, re.MULTILINE)
    names = [name for cell in told for name in re.findall(r"\*\*(.+?)\*\*", cell)]
    assert {"node", "connection", "wire", "socket", "emission", "message"} <= set(names)
    assert len(names) == len(set(names))
