"""`make soak` for some seconds, with few clients; SOAK_SEED in the environment varies it."""

import os
from pathlib import Path

import pytest

from tests.soak import report
from tests.soak.options import Options
from tests.soak.run import run

pytestmark = [pytest.mark.node, pytest.mark.soak]

SEED = int(os.environ.get("SOAK_SEED", "1"))


@pytest.mark.parametrize(
    ("store", "seconds"),
    [
        pytest.param("memory", 5, id="memory"),
        pytest.param("redis", 12, id="redis", marks=pytest.mark.redis),
    ],
)
async def test_clients_have_all_once_and_in_order(
    store: str, seconds: float, tmp_path: Path
) -> None:
    options = Options(seconds=seconds, seed=SEED, clients=10, rooms=4, rate=20, store=store)
    outcome = await run(options, tmp_path)
    shown = "\n".join([options.command(), report.table(outcome), *report.evidence(outcome)])
    assert not outcome.violations, shown
    # It would be no proof if nobody had come back, or if all had begun anew.
    assert sum(client.recoveries for client in outcome.clients) > sum(
        client.anew for client in outcome.clients
    ), shown
