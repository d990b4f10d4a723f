"""A process of the site without sockets, which emits until its input ends.

    python -m tests.soak.outside RATE SEED ROOM...

For each emission it prints what ledger.read_emission takes.
"""

import json
import random
import sys
import threading
import time

import django

django.setup()

from realtime import RealtimeError, emit  # noqa: E402
from tests.soak.ledger import whom  # noqa: E402
from tests.soak.options import NAMESPACE  # noqa: E402


def wait_for_the_end(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def main(rate: float, seed: int, rooms: list[str]) -> None:
    pick = random.Random(f"{seed} outside")
    stop = threading.Event()
    threading.Thread(target=wait_for_the_end, args=[stop], daemon=True).start()
    number = 0
    while not stop.wait(pick.uniform(0.0, 2.0) / rate):
        number += 1
        to = whom(pick, rooms)
        start, is_certain = time.time(), True
        try:
            emit("said", "outside", number, to=to, namespace=NAMESPACE)
        except RealtimeError:
            is_certain = False
        print(json.dumps(["outside", number, to, start, time.time(), is_certain]), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
