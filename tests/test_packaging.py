"""What a user installs, and what `make` promises."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

import realtime

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Run with the folder in which a wheel was unpacked.
FIND_CLIENT = """
import sys
sys.path.insert(0, sys.argv[1])
import django
from django.conf import settings
from django.contrib.staticfiles import finders
contrib = [f"django.contrib.{app}" for app in ("contenttypes", "auth", "sessions", "staticfiles")]
settings.configure(INSTALLED_APPS=[*contrib, "channels", "realtime"], STATIC_URL="static/")
django.setup()
print(finders.find("realtime/socket.io.min.js"))
"""


def make(*arguments: str) -> str:
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, ".ci/wheel.py", folder], cwd=ROOT, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def packed(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_wheel_holds_each_build_of_the_stock_client_with_its_map(packed: set[str]) -> None:
    builds = ["js", "min.js", "esm.min.js", "msgpack.min.js"]
    client = {
        f"realtime/static/realtime/socket.io.{build}{end}"
        for build in builds
        for end in ("", ".map")
    }
    assert client <= packed


def test_wheel_holds_realtime_whole_and_nothing_else(packed: set[str]) -> None:
    source = {path.relative_to(ROOT).as_posix() for path in (ROOT / "realtime").rglob("*.*")}
    assert packed == {path for path in source if not path.endswith(".pyc")}
    assert {"realtime/py.typed", "realtime/templatetags/realtime.py"} <= packed


def test_wheel_names_version_license_and_no_test_tool_as_a_requirement(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
    assert f"\nVersion: {realtime.__version__}\n" in metadata
    assert "\nLicense-Expression: BSD-3-Clause\n" in metadata
    required = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", metadata, re.MULTILINE)
    assert {name.lower() for name in required} == {
        "asgiref",
        "channels",
        "django",
        "python-engineio",
        "python-socketio",
        "wsproto",
    }


def test_installed_wheel_imports_and_finds_the_client_without_the_checkout(
    wheel: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    found = subprocess.run(
        [sys.executable, "-c", FIND_CLIENT, tmp_path / "site"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()).is_relative_to(tmp_path / "site")


def test_version_is_the_same_in_code_project_and_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest
    assert realtime.__version__ == PROJECT["version"] == newest[1]


def test_demo_requirements_ask_for_no_less_than_the_package() -> None:
    demo = {
        line.strip()
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    }
    extras = PROJECT["optional-dependencies"]
    assert demo == {
        *PROJECT["dependencies"],
        *extras["daphne"],
        *extras["msgpack"],
        *extras["redis"],
    }


def test_served_client_is_the_locked_release() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    release = lock["packages"]["node_modules/socket.io-client"]["version"]
    script = files(realtime) / "static" / "realtime" / "socket.io.min.js"
    assert f"v{release}" in script.read_text()[:200]


@pytest.mark.parametrize("folder", [".", "tests/bench"])
def test_package_lock_names_no_host_and_no_path_of_a_machine(folder: str) -> None:
    lock = json.loads((ROOT / folder / "package-lock.json").read_text())
    for package in lock["packages"].values():
        assert "resolved" not in package
        package.pop("funding", None)  # the authors' own page, from which nothing is fetched
    assert not re.search(r"://|\"(/|file:|[A-Za-z]:\\)", json.dumps(lock))


def test_help_explains_each_target() -> None:
    rules = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    public = {name for rule in rules for name in rule.split()} - {"system"}
    shown = dict(re.findall(r"^  ([a-z-]+) +(\S.*)$", make("help"), re.MULTILINE))
    assert shown.keys() == public


def test_make_alone_shows_the_help() -> None:
    assert make() == make("help")


def test_without_of_an_unknown_thing_is_refused_in_one_line() -> None:
    answer = subprocess.run(
        [sys.executable, ".ci/system.py", "redis tea"], cwd=ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert answer.stderr == "WITHOUT takes browser, nginx, node, postgres, redis; not tea\n"


@pytest.mark.parametrize("without", ["", "redis browser"])
@pytest.mark.parametrize("target", ["setup", "demo", "test", "unit", "lint", "matrix", "wheel"])
def test_recipes_are_valid_shell(target: str, without: str) -> None:
    # `+` and $(MAKE) aside, -n prints what would run; sh -n reads it without running it.
    command = ["make", "-n", target, f"WITHOUT={without}"]
    recipe = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    read = subprocess.run(["sh", "-n"], input=recipe, capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
