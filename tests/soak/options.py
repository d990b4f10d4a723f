"""How long, how many, and from which seed."""

import argparse
import os
import random
import secrets
from dataclasses import dataclass
from typing import Any

#: As in tests/site/soak.py.
NAMESPACE = "/soak"

KINDS = ("daphne", "uvicorn", "daphne", "uvicorn")


@dataclass(frozen=True, kw_only=True)
class Options:
    seconds: float = 600.0
    seed: int = 0
    clients: int = 60
    rooms: int = 20
    #: Emits a second, of all emitters together.
    rate: float = 60.0
    #: "memory" is one process without Redis.
    store: str = "redis"
    layer: str = "core"
    #: Seconds of RECOVERY's WINDOW.
    window: float = 60.0

    @property
    def servers(self) -> tuple[str, ...]:
        return KINDS if self.store == "redis" else KINDS[:1]

    @property
    def room_names(self) -> list[str]:
        return [f"room {number}" for number in range(self.rooms)]

    def rooms_of_clients(self) -> list[list[str]]:
        """Each client is in a quarter of the rooms."""
        pick = random.Random(f"{self.seed} rooms")
        each = max(1, self.rooms // 4)
        return [sorted(pick.sample(self.room_names, each)) for _ in range(self.clients)]

    @property
    def realtime(self) -> dict[str, Any]:
        """What of `REALTIME` is not the site's."""
        return {
            "EMIT_TIMEOUT": 5,
            "PING_INTERVAL": 5,
            "PING_TIMEOUT": 8,
            # Of a machine that has more to do than it can.
            "REQUEST_TIMEOUT": 5,
            "DRAIN_TIMEOUT": 5,
            "RESYNC_EVENT": "resync",
            "RECOVERY": {"WINDOW": self.window},
        }

    def command(self) -> str:
        named = {"SECONDS": f"{self.seconds:g}", "SEED": self.seed, "CLIENTS": self.clients}
        named |= {"ROOMS": self.rooms, "RATE": f"{self.rate:g}", "WINDOW": f"{self.window:g}"}
        named |= {"STORE": self.store, "LAYER": self.layer}
        return "make soak " + " ".join(f"SOAK_{key}={value}" for key, value in named.items())


def parse(arguments: list[str] | None = None) -> Options:
    """From the command line, or the environment: SOAK_SECONDS for --seconds, and so on."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    defaults = Options()

    def option(name: str, help: str, **more: Any) -> None:
        default = getattr(defaults, name)
        given = os.environ.get(f"SOAK_{name.upper()}") or default
        parser.add_argument(f"--{name}", type=type(default), default=given, help=help, **more)

    option("seconds", "how long faults are made")
    option("seed", "of the plan of faults; 0 draws one")
    option("clients", "stock JavaScript clients")
    option("rooms", "each client is in a quarter of them")
    option("rate", "emits a second")
    option("store", "memory is one process without Redis", choices=["redis", "memory"])
    option("layer", "which layer of channels-redis", choices=["core", "pubsub"])
    option("window", "seconds within which a client may come back")
    found = vars(parser.parse_args(arguments))
    found["seed"] = found["seed"] or secrets.randbelow(1_000_000) + 1
    return Options(**found)
