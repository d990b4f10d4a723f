"""The documentation's site: it builds without a warning, and no page or public name is left out."""

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.dispatch import Signal

import realtime

from .documents import ROOT

DOCS = ROOT / "docs"
#: Flat in realtime/, and no project's to import: Django finds it, or it has a page of its own.
NOT_IMPORTED = {"apps", "conf", "installed", "version"}
#: Public for the code of this package, and not for projects.
INTERNAL = {
    "realtime.asgi.make_server",
    "realtime.events.Event",
    "realtime.events.Handler",
    "realtime.events.check_twice",
    "realtime.events.is_event",
    "realtime.events.handlers_of",
    "realtime.exceptions.MAX_FAULTS",
    "realtime.health.reasons_not_ready",
    "realtime.health.serve",
    "realtime.logs.brief",
    "realtime.logs.connection_facts",
    "realtime.logs.facts",
    "realtime.logs.failed",
    "realtime.logs.meant",
    "realtime.logs.shortened",
    "realtime.logs.writable",
    "realtime.middleware.acting_as",
    "realtime.middleware.nobody_acts",
    "realtime.models.NothingStored",
    "realtime.models.Shown",
    "realtime.permissions.made",
    "realtime.routing.consumer_of",
    "realtime.routing.routes_of_project",
    "realtime.tracing.OpenTelemetryTracing",
}


def test_site_builds_and_has_every_public_name(tmp_path: Path) -> None:
    built = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"),
            *("-d", str(tmp_path / "doctrees"), str(DOCS), str(tmp_path / "site")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    described = set(_described(tmp_path / "site" / "objects.inv"))
    missing = [
        name
        for name, value in _public()
        if name not in INTERNAL and not _names(name, value) & described
    ]
    assert not missing, f"no page of docs/api describes {', '.join(missing)}"
    assert not INTERNAL & described, "pages of docs/api describe what is not public"


def _described(inventory: Path) -> Iterator[str]:
    """The names of Python that the site describes. Sphinx's inventory: four lines, and zlib's."""
    content = zlib.decompress(inventory.read_bytes().split(b"\n", 4)[4]).decode()
    for line in content.splitlines():
        name, kind, *_ = line.split(" ")
        if kind.startswith("py:"):
            yield name


def _public() -> Iterator[tuple[str, Any]]:
    """What lies flat, and the packages that say what of theirs is public."""
    flat = {path.stem for path in (ROOT / "realtime").glob("*.py")} - {"__init__"} - NOT_IMPORTED
    packages = {
        path.parent.name
        for path in (ROOT / "realtime").glob("*/__init__.py")
        if "__all__" in path.read_text()
    }
    assert {"consumers", "testing"} <= packages
    for name in ["", *sorted(flat | packages), "operations.reports"]:
        module = importlib.import_module(f"realtime.{name}".rstrip("."))
        for found in getattr(module, "__all__", None) or _defined(module):
            yield f"{module.__name__}.{found}", getattr(module, found)
    tags = importlib.import_module("realtime.templatetags.realtime")
    for found, tag in tags.register.tags.items():
        yield f"{tags.__name__}.{found}", inspect.unwrap(tag)


def _defined(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and _is_defined(module, value)
    ]


def _is_defined(module: ModuleType, value: Any) -> bool:
    if isinstance(value, Signal):
        return True
    is_code = inspect.isfunction(value) or inspect.isclass(value)
    return is_code and value.__module__ == module.__name__


def _names(name: str, value: Any) -> set[str]:
    """What it may be described as: by where it is made, or by where it is imported from."""
    short = name.rpartition(".")[2]
    made = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    public = made.replace("realtime.consumers.consumer.", "realtime.consumers.")
    is_exported = getattr(realtime, short, None) is value
    return {name, made, public} | ({f"realtime.{short}"} if is_exported else set())


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: str(p.relative_to(DOCS)))
def test_page_is_in_a_table_of_contents(page: Path) -> None:
    """Sphinx says the same, at the end of a build; this says where to write the name."""
    if page.parent in (DOCS / "api", DOCS / "recipes", DOCS / "tutorial") and page.stem != "index":
        index = page.parent / "index.md"
    else:
        index = DOCS / "index.md"
    listed = re.findall(r"^```\{toctree\}\n(.*?)^```", index.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in listed for line in block.splitlines()]
    names = {re.sub(r"^.*<(.*)>$", r"\1", line) for line in lines}
    name = page.relative_to(index.parent).with_suffix("").as_posix()
    assert name == "index" or name in names, f"add {name} under a caption of {index}"


def test_every_public_name_says_what_it_is() -> None:
    """One line at least; that of a class it inherits from says nothing of its own."""
    silent = [
        name
        for name, value in _public()
        if name not in INTERNAL
        and (inspect.isclass(value) or inspect.isfunction(value))
        and not (value.__doc__ or "").strip()
    ]
    assert not silent, f"no docstring: {', '.join(silent)}"


def test_version_of_the_site_is_the_packages() -> None:
    assert f'"{realtime.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_versions_that_are_needed_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = re.findall(
        r"^\| ([\w-]+)(?:, extra `(\w+)`)? \| ([\d.]+)(?:, below (\d+))? \|",
        (DOCS / "versions.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) > 10
    for name, extra, floor, below in rows:
        wanted = f"{name}>={floor}" + (f",<{below}" if below else "")
        among = project["optional-dependencies"][extra] if extra else project["dependencies"]
        assert wanted in [re.sub(r"\[.*\]", "", requirement) for requirement in among]
