"""What a user installs, and what `make` promises."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

import pytest

import realtime

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Any time will do, as long as it is not that of the files in the checkout.
DATED = {"SOURCE_DATE_EPOCH": "1700000000"}

# Run in an empty project into which the wheel was installed.
USE = """
import asyncio, sys
sys.path.insert(0, "")
from mysite import asgi
from django.contrib.staticfiles import finders
from importlib.metadata import entry_points
import realtime
assert entry_points(group="pytest11", name="realtime")
print(realtime.__file__)
print(finders.find("realtime/socket.io.min.js"))
"""


def make(*arguments: str) -> str:
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, ".ci/wheel.py", folder],
        cwd=ROOT,
        env=os.environ | DATED,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    (folder / "stderr").write_text(built.stderr)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return next(dist.glob("*.whl"))


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
    assert "\nLicense-Expression: BSD-3-Clause AND MIT\n" in metadata
    required = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", metadata, re.MULTILINE)
    assert {name.lower() for name in required} == {
        "asgiref",
        "channels",
        "django",
        "python-engineio",
        "python-socketio",
        "wsproto",
    }


def test_wheel_holds_the_licences_of_all_that_it_brings(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {name: archive.read(name) for name in archive.namelist() if "LICENSE" in name}
    ours, client = sorted(texts)
    assert ours.endswith(".dist-info/licenses/LICENSE")
    assert client == "realtime/static/realtime/socket.io.LICENSE.txt"
    assert texts[client] == (ROOT / "node_modules/socket.io-client/LICENSE").read_bytes()


def test_sdist_builds_the_same_wheel_byte_by_byte(dist: Path, wheel: Path, tmp_path: Path) -> None:
    """In another folder, from files with other times."""
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    [folder] = tmp_path.iterdir()
    (folder / "README.md").touch()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(command, cwd=folder, env=os.environ | DATED, check=True, capture_output=True)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {2023}


def test_wheel_says_what_keeps_it_from_being_published(dist: Path, tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, '.ci'); import wheel; print(wheel.unpublishable())"
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert ("OWNER" in said) == any("/OWNER/" in url for url in PROJECT["urls"].values())
    assert said in ("\n", (dist / "stderr").read_text())


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and with the libraries of this one but not realtime."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--quiet", wheel], check=True, capture_output=True)
    [packages] = (folder / "lib").glob("*/site-packages")
    # What is in a .pth file there is not looked at, and so not the checkout.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return python


def test_installed_wheel_serves_an_empty_project(python: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "mysite.settings"}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(
            [python, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-m", "django", "startproject", "mysite", ".")
    with (tmp_path / "mysite" / "settings.py").open("a") as settings:
        settings.write(
            'INSTALLED_APPS = ["daphne", *INSTALLED_APPS, "channels", "realtime"]\n'
            'ASGI_APPLICATION = "mysite.asgi.application"\n'
            'CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}\n'
        )
    asgi = tmp_path / "mysite" / "asgi.py"
    asgi.write_text(asgi.read_text().replace("django.core.asgi", "realtime.asgi"))
    assert "no issues" in run("manage.py", "check", "--fail-level", "WARNING")
    run("manage.py", "migrate", "--verbosity", "0")
    assert "drain" in run("manage.py", "realtime", "--help")
    for path in run("-c", USE).split():
        assert Path(path).is_relative_to(python.parent.parent)


def test_classifiers_name_what_the_matrix_runs() -> None:
    matrix = (ROOT / ".ci" / "matrix.py").read_text()
    classifiers = "\n".join(PROJECT["classifiers"])
    for start, name in [("Language :: Python", "PYTHONS"), ("Framework :: Django", "DJANGOS")]:
        [run] = re.findall(rf"^{name} = (\(.+\))$", matrix, re.MULTILINE)
        said = re.findall(rf"{start} :: (\d+\.\d+)$", classifiers, re.MULTILINE)
        assert tuple(said) == ast.literal_eval(run)


def test_libraries_whose_classes_ours_inherit_are_bounded_above() -> None:
    """Django aside, which changes what it documents by rules of its own."""
    for module in ["asgi", "compat.server", "consumers", "testing.communicator"]:
        importlib.import_module(f"realtime.{module}")
    owners = packages_distributions()
    inherited = {
        str(base.__module__).partition(".")[0]
        for cls in subclasses(object)
        if str(cls.__module__).startswith("realtime.")
        for base in cls.__bases__
    }
    names = {name.lower() for package in inherited for name in owners.get(package, [])}
    required = {re.match(r"[\w-]+", line)[0].lower(): line for line in PROJECT["dependencies"]}  # type: ignore[index]
    bounded = {name for name in names & required.keys() if re.search(r"<\d", required[name])}
    assert {"asgiref", "channels", "python-engineio", "python-socketio"} <= bounded
    assert names & required.keys() - bounded == {"django"}


def subclasses(cls: type) -> set[type]:
    found: set[type] = set()
    waiting = [cls]
    while waiting:
        for one in type.__subclasses__(waiting.pop()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found


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
    known = "browser, caddy, gettext, haproxy, nginx, node, postgres, redis"
    assert answer.stderr == f"WITHOUT takes {known}; not tea\n"


@pytest.mark.parametrize("without", ["", "redis browser"])
@pytest.mark.parametrize("target", ["setup", "demo", "test", "unit", "lint", "matrix", "wheel"])
def test_recipes_are_valid_shell(target: str, without: str) -> None:
    # `+` and $(MAKE) aside, -n prints what would run; sh -n reads it without running it.
    command = ["make", "-n", target, f"WITHOUT={without}"]
    recipe = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    read = subprocess.run(["sh", "-n"], input=recipe, capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
