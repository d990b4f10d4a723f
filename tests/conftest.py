import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# The commands that tests start (daphne, uvicorn, celery, node) are found beside this Python first.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# How fast the machine is says nothing about the code.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")
