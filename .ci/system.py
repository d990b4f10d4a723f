"""What the tests need from the machine itself: Redis, proxies, PostgreSQL, curl and Chromium.

    system.py [--full] ["redis browser"]     the second names what to do without

With --full also what only `make matrix` needs.

Installs what is missing where apt-get can be used, and otherwise says in one line what to do.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


class StepFailed(Exception):
    """A command did not do its work; the text is one line for the person who ran make."""


#: Debian keeps nginx and HAProxy where only root looks, and PostgreSQL's programs in a folder of
#: their own; anybody may run them.
SEARCHED = os.pathsep.join(
    [
        os.environ.get("PATH", os.defpath),
        "/usr/sbin",
        *map(str, Path("/usr/lib/postgresql").glob("*/bin")),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Program:
    marker: str  # the pytest marker of the tests that need it
    package: str  # Debian's
    commands: tuple[str, ...]  # any of them will do
    full_only: bool = False

    def present(self) -> bool:
        return any(shutil.which(command, path=SEARCHED) for command in self.commands)


PROGRAMS = [
    Program(marker="redis", package="redis-server", commands=("redis-server",)),
    Program(marker="nginx", package="nginx", commands=("nginx",)),
    Program(marker="haproxy", package="haproxy", commands=("haproxy",), full_only=True),
    Program(marker="caddy", package="caddy", commands=("caddy",), full_only=True),
    Program(marker="gettext", package="gettext", commands=("xgettext",)),
    Program(marker="postgres", package="postgresql", commands=("initdb",)),
    # For recipes whose reader calls an address by hand; bootstrap.py sees to Node itself.
    Program(marker="node", package="curl", commands=("curl",)),
    Program(
        marker="browser",
        package="chromium",
        commands=(
            "chromium-headless-shell",
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
        ),
    ),
]
MARKERS = {program.marker for program in PROGRAMS}


def run(*command: str | Path) -> None:
    """Runs a command whose output only matters when it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        shown = " ".join(str(part) for part in command[:4])
        raise StepFailed(f"failed with code {done.returncode}: {shown} ...")


def succeeds(*command: str) -> bool:
    try:
        return (
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
        )
    except OSError:
        return False


def apt_install(*packages: str) -> bool:
    """Installs Debian packages if this user may do so without being asked; says whether it did."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (sudo and not succeeds(*sudo, "true")):
        return False
    print(f"· Installing with apt-get: {' '.join(packages)}", flush=True)
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    try:
        run(*apt, "update")
        run(*apt, "install", "--yes", "--no-install-recommends", *packages)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return False
    return True


def main(without: set[str], full: bool) -> None:
    if unknown := without - MARKERS:
        sys.exit(f"WITHOUT takes {', '.join(sorted(MARKERS))}; not {', '.join(sorted(unknown))}")
    if without and os.environ.get("CI") == "true":
        sys.exit("WITHOUT can't be used on CI, where no test may be left out")
    needed = [
        program
        for program in PROGRAMS
        if program.marker not in without and (full or not program.full_only)
    ]
    missing = [program for program in needed if not program.present()]
    if missing:
        apt_install(*(program.package for program in missing))
    if missing := [program for program in missing if not program.present()]:
        names = " and ".join(program.package for program in missing)
        markers = " ".join(program.marker for program in missing)
        sys.exit(
            f"{names} missing: install with this machine's package manager, "
            f'or leave the tests that need it out: make test WITHOUT="{markers}"'
        )


if __name__ == "__main__":
    main(set(" ".join(sys.argv[1:]).split()) - {"--full"}, "--full" in sys.argv)
