"""`make soak`, or `python -m tests.soak --help`."""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.soak import report
from tests.soak.options import Options, parse
from tests.soak.run import Outcome, run


async def run_until_told(options: Options, folder: Path) -> Outcome:
    """On SIGTERM, as on Ctrl+C, its processes end before it does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(options, folder)


def main() -> int:
    options = parse()
    print(f"seed {options.seed}; the same plan again: {options.command()}", flush=True)
    folder = Path(os.environ.get("SOAK_FOLDER") or tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(exist_ok=True)
    # The processes of the site share it, as those of a test run do.
    os.environ.setdefault("REALTIME_TEST_FOLDER", str(folder))
    outcome = asyncio.run(run_until_told(options, folder))
    print(report.table(outcome))
    for line in report.evidence(outcome):
        print(line)
    print(f"logs: {folder}")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
