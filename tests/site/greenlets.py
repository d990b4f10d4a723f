"""`python -m tests.site.greenlets gevent|eventlet ROOM`: emits and the ORM among greenlets."""

import sys

LIBRARY, ROOM = sys.argv[1:3]
if LIBRARY == "gevent":
    from gevent import monkey

    monkey.patch_all()
else:
    import eventlet

    eventlet.monkey_patch()

import asyncio  # noqa: E402 - threads have to be patched first
import importlib  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

import django  # noqa: E402

django.setup()

from asgiref.sync import async_to_sync  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402

from realtime import aemit, emit, fetch_nodes  # noqa: E402
from realtime.exceptions import ChannelLayerError  # noqa: E402

GREENLETS = 20
failures: list[str] = []


def work(number: int) -> None:
    try:
        User.objects.count()
        emit("news", number, to=ROOM)
        User.objects.count()
    except Exception as error:
        failures.append(repr(error))


def tick(ticks: list[float], until: threading.Event) -> None:
    while not until.is_set():
        ticks.append(time.monotonic())
        time.sleep(0.001)


def give_up_waiting() -> None:
    """A greenlet that is killed while it waits for an emit harms no other."""
    greenlets = importlib.import_module(LIBRARY)
    killed = greenlets.spawn(fetch_nodes, timeout=20)
    greenlets.sleep(0)
    killed.kill()
    emit("news", GREENLETS + 1, to=ROOM)


def main() -> None:
    ticks: list[float] = []
    done = threading.Event()
    ticking = threading.Thread(target=tick, args=(ticks, done))
    ticking.start()
    work(0)
    before = len(ticks)
    workers = [threading.Thread(target=work, args=(number,)) for number in range(1, GREENLETS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    fetch_nodes()
    give_up_waiting()
    async_to_sync(aemit)("news", GREENLETS, to=ROOM)
    User.objects.count()
    if len(ticks) == before:
        failures.append("an emit held the other greenlets up")
    try:
        asyncio.get_running_loop()
        failures.append("a loop runs here")
    except RuntimeError:
        pass
    done.set()
    ticking.join()
    print(failures or "well")


if ROOM == "nowhere":  # there is no Redis: it is said, and nothing is harmed
    try:
        emit("news")
    except ChannelLayerError:
        print("refused,", User.objects.count() >= 0 and "and the ORM works")
else:
    main()
