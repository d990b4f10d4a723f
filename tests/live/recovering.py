"""Processes of the sites of tests/conformance whose clients come back: recovering and telling."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.live.farm import Farm
from tests.live.layer_servers import LayerServer
from tests.live.servers import OPTIONS, Process, Sentinel
from tests.ports import free_port


class SiteProcess(Process):
    """One process of a site, without a Redis unless one is given."""

    def __init__(
        self,
        kind: str,
        folder: Path,
        realtime: Mapping[str, Any],
        *,
        site: str = "recovering",
        redis: LayerServer | Sentinel | None = None,
        layer: str = "core",
    ) -> None:
        port = free_port()
        application = f"tests.conformance.{site}:application"
        command = [sys.executable, "-m", kind, *OPTIONS[kind], "--port", str(port), application]
        environment = {
            "RECOVERING_REDIS": "" if redis is None else redis.url,
            "RECOVERING_LAYER": "" if redis is None else layer,
            "RECOVERING_REALTIME": json.dumps(realtime),
        }
        super().__init__(f"{kind}-{port}", command, folder, port=port, environment=environment)
        self.url = f"http://127.0.0.1:{port}"


@contextmanager
def both_servers(
    farm: Farm, folder: str, realtime: Mapping[str, Any], **options: Any
) -> Iterator[list[SiteProcess]]:
    """A process of a site under Daphne, and one under uvicorn; the options are those above."""
    at = farm.folder(folder)
    site = [SiteProcess(kind, at, realtime, **options) for kind in ("daphne", "uvicorn")]
    farm.run(*site)
    yield site
    farm.end(*site)
