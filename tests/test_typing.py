"""What a type checker says of consumers, to a project that has it strict."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Verbs with wrong arguments, and mypy's code for the mistake.
WRONG = {
    "self.join(5)": "arg-type",
    "self.emit()": "call-arg",
    'self.emit("said", everywhere=True)': "call-arg",
    'self.call("sure?", timeout="5")': "arg-type",
}


def mypy(*paths: Path) -> str:
    # The project's options, strict ones, and a cache of its own: another run may be under way.
    command = ["mypy", "--strict", "--cache-dir", ".mypy_cache/typing", *map(str, paths)]
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert not result.stderr
    return result.stdout


def test_plain_and_async_handlers_pass_as_they_stand() -> None:
    said = mypy(ROOT / "tests" / "typed_consumers.py")
    assert said.startswith("Success: no issues found in 1 source file"), said


def test_arguments_of_verbs_are_checked(tmp_path: Path) -> None:
    lines = ["from realtime import SocketIOConsumer", "", "class Wrong(SocketIOConsumer):"]
    expected = []
    for number, (statement, code) in enumerate(WRONG.items()):
        for start in (
            f"def plain{number}(self) -> None:",
            f"async def async{number}(self) -> None:",
        ):
            lines += [f"    {start}", f"        {'await ' * start.startswith('async')}{statement}"]
            expected.append((len(lines), code))
    sample = tmp_path / "wrong.py"
    sample.write_text("\n".join(lines))
    found = re.findall(r"wrong\.py:(\d+): error: .* \[(.*)\]$", mypy(sample), re.MULTILINE)
    assert [(int(line), code) for line, code in found] == expected


def test_a_name_that_realtime_does_not_have_is_found(tmp_path: Path) -> None:
    sample = tmp_path / "wrong.py"
    sample.write_text("from realtime import emit, emmit\n\nemit('saved')\n")
    assert 'Module "realtime" has no attribute "emmit"' in mypy(sample)
