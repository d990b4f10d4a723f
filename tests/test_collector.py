"""Python's garbage collector in a serving process, and whose it is otherwise."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.server import collector

ROOT = Path(__file__).parent.parent
SERVE = """
import gc, sys
import django
{before}
django.setup()
from realtime.server import collector
frozen = gc.get_freeze_count()
collector.settle()
print(gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count() > frozen)
"""


def settled(before: str) -> str:
    """Whether the collector runs, its first threshold, and whether anything was frozen."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", SERVE.format(before=before)]
    return subprocess.run(
        command, cwd=ROOT, env=environment, text=True, check=True, stdout=subprocess.PIPE
    ).stdout.strip()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "True 10000 True"),
        ("gc.set_threshold(5_000)", "True 5000 False"),
        ("gc.set_threshold(0)", "True 0 False"),
        ("gc.disable()", f"False {gc.get_threshold()[0]} False"),
    ],
    ids=["python's own", "a threshold of the project's", "never", "disabled"],
)
def test_collector_is_settled_where_the_project_has_not_done_it(before: str, after: str) -> None:
    assert settled(before) == after


def test_collector_of_a_test_run_is_left_alone() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    collector.settle()
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
