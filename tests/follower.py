"""Pages of the docs, followed: files are written and commands run as they are printed."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from .documents import ROOT, Block, blocks

#: What everybody chooses whom a page lets make a login.
PASSWORD = "a password of the pages"


def five_minutes(folder: Path) -> "Follower":
    """Somebody who has written the files of "Five minutes into your project", and no more."""
    follower = Follower(folder)
    follower.run("python", "-m", "django", "startproject", "mysite")
    follower.folder = folder / "mysite"
    follower.run("python", "manage.py", "startapp", "hello")
    files = [block for block in blocks() if block.document == "README.md" and block.path]
    assert len(files) == 6
    for block in files:
        follower.take(block)
    return follower


class Follower:
    """Somebody with an empty folder who does what the pages say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            # What createsuperuser asks for.
            "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }
        #: What a test starts instead of the pages' servers, given the lines of the block.
        self.serve: Callable[[list[str]], None] | None = None
        self._printed = ""

    def follow(self, document: str) -> None:
        """Do what a page says: `docs/tutorial/2-users.md`."""
        found = [block for block in blocks() if block.document == document]
        assert found, f"{document} has nothing to follow"
        for block in found:
            self.take(block)

    def take(self, block: Block) -> None:
        if block.path:
            self._write(block)
        elif block.note == "environment":
            exports = [line.removeprefix("export ") for line in block.code.splitlines()]
            self.environment |= dict(export.split("=", 1) for export in exports)
        elif block.note == "serve" and self.serve is not None:
            self.serve(block.code.splitlines())
        elif block.note == "run":
            self._printed = "".join(self._run(line) for line in block.code.splitlines())
        elif block.language == "text":
            assert block.code.strip() in self._printed, f"{block} was not printed: {self._printed}"

    def _write(self, block: Block) -> None:
        path = self.folder / block.path
        path.parent.mkdir(parents=True, exist_ok=True)
        before = f"{path.read_text()}\n" if block.note.endswith(", at the end") else ""
        path.write_text(before + block.code)

    def _run(self, line: str) -> str:
        command = shlex.split(line)
        if command[0] == "cd":
            self.folder = self.folder / command[1]
            return ""
        if "createsuperuser" in command:  # it would ask
            command.append("--no-input")
        return self.run(*command)

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            [sys.executable if command[0] == "python" else command[0], *command[1:]],
            cwd=self.folder,
            env=self.environment | (environment or {}),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
