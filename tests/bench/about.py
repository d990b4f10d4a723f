"""Where and with what a run was made."""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sysconfig
from datetime import UTC, datetime
from typing import Any

from tests.bench.catalogue import HERE
from tests.bench.processes import PINNED, BenchError

_PACKAGES = ("Django", "channels", "daphne", "uvicorn", "python-socketio", "channels-redis")
_MODULES = HERE / "node_modules"


def about(peers: list[str], repeats: int, quick: bool) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores of {_processor()}",
        "pinned": PINNED,
        "peers": peers,
        "repeats": repeats,
        "quick": quick,
        "load_average": [load_average()],
        "versions": _versions("node" in peers),
    }


def load_average() -> float:
    return round(os.getloadavg()[0], 2)


def install_node_packages() -> None:
    """Install what package-lock.json names, unless it is there already."""
    mark = _MODULES / ".stamp"
    wanted = (HERE / "package-lock.json").read_text()
    if mark.exists() and mark.read_text() == wanted:
        return
    if shutil.which("npm") is None:
        raise BenchError("Node's socket.io needs npm; leave it out with --peers")
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    done = subprocess.run(["npm", "ci", "--ignore-scripts", *quiet], cwd=HERE, check=False)
    if done.returncode:
        raise BenchError("npm could not install socket.io (above); leave it out with --peers node")
    mark.write_text(wanted)


def _versions(node: bool) -> dict[str, str]:
    versions = {"Python": f"{platform.python_version()} ({_build()})"}
    for package in _PACKAGES:
        versions[package] = importlib.metadata.version(package)
    if node:
        said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        versions["Node"] = said.stdout.strip().removeprefix("v")
        manifest = _MODULES / "socket.io" / "package.json"
        versions["socket.io"] = json.loads(manifest.read_text())["version"]
    return versions


def _build() -> str:
    """How this Python was compiled: its profile makes 6 to 16 % of what is measured here."""
    options = str(sysconfig.get_config_var("CONFIG_ARGS"))
    guided = "" if "--enable-optimizations" in options else "not "
    linked = " and link-time" if "--with-lto" in options else ""
    return f"built with {sysconfig.get_config_var('CC')}, {guided}profile-guided{linked}"


def _processor() -> str:
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
