import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.plan import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_xdist_make_scheduler,
)

# A plugin named in pytest_plugins would come too late for its option.
__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]

# The commands that tests start (daphne, uvicorn, celery, node) are found beside this Python first.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# How fast the machine is says nothing about the code.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """No suffix for each worker: its folder is its own, and its processes look for NAME there."""
