"""What GitHub is told: the workflows run the targets of the Makefile on what the matrix runs."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documents import ROOT

FOLDER = ROOT / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "workflows" / name).read_text())["jobs"]
    return found


def commands(workflow: Path) -> list[str]:
    steps = [step for job in jobs(workflow.name).values() for step in job.get("steps", [])]
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yml")), ids=lambda path: path.stem)
def test_file_is_yaml(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_each_step_runs_a_target_that_there_is(workflow: Path) -> None:
    targets = set(re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in commands(workflow):
        program, *words = re.sub(r'"[^"]*"', "", command).split()
        if program == "make":
            named = {word for word in words if "=" not in word}
            assert named and named <= targets, command
        else:
            assert program == "python" and (ROOT / words[0]).exists(), command


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_may_only_read_but_for_the_job_that_publishes(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}
    asked = {name: job.get("permissions") for name, job in jobs(workflow.name).items()}
    more = {name: permissions for name, permissions in asked.items() if permissions}
    assert more == ({"publish": {"id-token": "write"}} if workflow.stem == "release" else {})
    assert "secrets." not in workflow.read_text()


def test_all_targets_that_a_release_stands_on_are_run() -> None:
    run = " ".join(commands(FOLDER / "workflows" / "tests.yml"))
    for target in ["matrix", "lint", "types", "docs", "wheel"]:
        assert re.search(rf"\bmake\b.*\b{target}\b", run), target


def test_tests_run_on_each_pair_of_the_matrix_and_on_the_next_python() -> None:
    matrix = jobs("tests.yml")["tests"]["strategy"]["matrix"]
    left_out = {(pair["python"], pair["django"]) for pair in matrix["exclude"]}
    text = (ROOT / ".ci" / "matrix.py").read_text()
    pythons, djangos, impossible = [
        ast.literal_eval(re.findall(rf"^{name} = (.+)$", text, re.MULTILINE)[0])
        for name in ["PYTHONS", "DJANGOS", "IMPOSSIBLE"]
    ]
    assert matrix["python"] == [*pythons, "3.14"]
    assert matrix["django"] == list(djangos)
    assert left_out == impossible


def test_needed_jobs_and_artifacts_are_there() -> None:
    for workflow in WORKFLOWS:
        for job in jobs(workflow.name).values():
            needed = job.get("needs", [])
            names = {needed} if isinstance(needed, str) else set(needed)
            assert names <= jobs(workflow.name).keys()
            if "uses" in job:
                assert (ROOT / job["uses"]).exists()
    texts = {path.stem: path.read_text() for path in WORKFLOWS}
    assert "name: dist\n" in texts["tests"] and "{name: dist, " in texts["release"]


def test_updates_are_asked_for_each_list_of_packages() -> None:
    updates = yaml.safe_load((FOLDER / "dependabot.yml").read_text())["updates"]
    folders = {one["directory"].strip("/") for one in updates if one["package-ecosystem"] == "npm"}
    tracked = subprocess.run(
        ["git", "ls-files", "*package-lock.json"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    assert folders == {str(Path(lock).parent).strip(".") for lock in tracked} or not tracked
    assert {one["package-ecosystem"] for one in updates} == {"pip", "npm", "github-actions"}


def release(changelog: str, **environment: str) -> list[str]:
    """What .ci/release.py finds, for the project as it stands."""
    code = (
        "import sys; sys.path.insert(0, '.ci'); import json, os, tomllib, release;"
        "project = tomllib.loads(open('pyproject.toml').read())['project'];"
        "print(json.dumps(list(release.faults(project, sys.argv[1], os.environ))))"
    )
    ours = {
        "GITHUB_REF_NAME": f"v{VERSION}",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": PROJECT["urls"]["Repository"].removeprefix("https://github.com/"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, changelog],
        cwd=ROOT,
        env=os.environ | ours | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = yaml.safe_load(done.stdout)
    return found


@pytest.mark.parametrize(
    ("changelog", "environment", "said"),
    [
        (f"## {VERSION} (2026-12-01)", {}, []),
        (f"## {VERSION} (unreleased)", {}, ["unreleased"]),
        ("## 0.0.9 (2026-12-01)", {}, ["does not begin"]),
        (f"## {VERSION}", {"GITHUB_REF_NAME": "v9.9"}, ["the tag is v9.9"]),
        (f"## {VERSION}", {"GITHUB_REPOSITORY": "fork/of-it"}, 4 * ["[project.urls]"]),
    ],
    ids=["right", "unreleased", "changelog", "tag", "fork"],
)
def test_release_is_refused_for_each_fault(
    changelog: str, environment: dict[str, str], said: list[str]
) -> None:
    found = release(changelog, **environment)
    assert len(found) == len(said)
    for fault, words in zip(found, said, strict=True):
        assert words in fault
