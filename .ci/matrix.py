"""Runs the tests on every supported Python found here, with each supported Django.

    matrix.py [--only "3.13 6.1"] [pytest arguments]

Each pair has a virtual environment of its own under .venvs/, kept for the next run.
"""

import hashlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bootstrap import ROOT
from system import StepFailed, run

PYTHONS = ("3.11", "3.12", "3.13")
DJANGOS = ("5.2", "6.0", "6.1")
# Django 6 dropped Python 3.11.
IMPOSSIBLE = {("3.11", "6.0"), ("3.11", "6.1")}


def interpreters(version: str) -> Iterator[Path]:
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def interpreter(version: str) -> Path | None:
    """The first that runs: a shim of pyenv is on PATH even where its version is not active."""
    for path in interpreters(version):
        if not subprocess.call([path, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL):
            return path
    return None


def environment(python: Path, version: str, django: str) -> Path:
    folder = ROOT / ".venvs" / f"python{version}-django{django}"
    mark = folder / "stamp"
    inputs = (ROOT / "pyproject.toml").read_bytes() + f"{python} {folder}".encode()
    wanted = hashlib.sha256(inputs).hexdigest()
    if not mark.exists() or mark.read_text() != wanted:
        run(python, "-m", "venv", "--clear", folder)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "-qq"]
        package = f"{ROOT}[test,docs,lint]"
        run(*pip, "--disable-pip-version-check", "-e", package, f"Django=={django}.*")
        mark.write_text(wanted)
    return folder / "bin" / "python"


def pairs(arguments: list[str]) -> list[tuple[str, str]]:
    """Those that `--only` names, which may be a Python that is not supported yet; else all."""
    if arguments[:1] == ["--only"]:
        _, only = arguments.pop(0), arguments.pop(0)
        version, django = only.split()
        return [(version, django)]
    return [pair for pair in itertools.product(PYTHONS, DJANGOS) if pair not in IMPOSSIBLE]


def main(arguments: list[str]) -> int:
    results = {}
    for version, chosen in itertools.groupby(pairs(arguments), key=lambda pair: pair[0]):
        python = interpreter(version)
        for _, django in chosen:
            pair = f"Python {version}, Django {django}"
            if python is None:
                results[pair] = "not run: this Python is not on this machine"
                continue
            print(f"\n· {pair}", flush=True)
            tests = [environment(python, version, django), "-m", "pytest", "-q", *arguments]
            results[pair] = "failed" if subprocess.call(tests, cwd=ROOT) else "passed"
    print()
    for pair, result in results.items():
        print(f"{pair}: {result}")
    return int("failed" in results.values() or "passed" not in results.values())


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except StepFailed as failure:
        sys.exit(str(failure))
