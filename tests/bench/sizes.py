"""How many clients, rounds and seconds a run takes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    fanout: tuple[int, ...] = (100, 1_000, 3_000)
    clients: int = 50
    connects: int = 2_000
    idle: int = 3_000
    disconnects: tuple[int, ...] = (1_250, 2_500, 5_000)
    redis: int = 100
    #: Rounds of an emit, and the seconds that they and the echoes take at least.
    rounds: int = 3
    emits: int = 200
    seconds: float = 2.0

    @property
    def files(self) -> int:
        """Open files that the load generator needs, with some to spare."""
        most = max(*self.fanout, self.connects, self.idle, *self.disconnects)
        return 2 * most + 200


QUICK = Sizes(
    fanout=(10, 50),
    clients=5,
    connects=50,
    idle=100,
    disconnects=(25, 50),
    redis=10,
    emits=10,
    seconds=0.2,
)
