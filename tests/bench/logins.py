"""What it costs to look up the logins of idle sockets: `python -m tests.bench.logins [SOCKETS]`.

The look is what a node does each LOGIN_CHECK_INTERVAL, in batches and in a thread of its own;
beside it the event loop notes by how much it was late. The database is SQLite's, in a file.
"""
# ruff: noqa: E402 - Django has to be set up first

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from realtime.conf import settings
from realtime.revocation import guard, sessions
from realtime.revocation.login import Login
from realtime.revocation.users import login_of, still_hold, user_of


def logins(count: int) -> list[Login]:
    """As many users, each with a session, of which each is a socket's."""
    User.objects.bulk_create(User(username=f"user {n}", password="x") for n in range(count))
    users = list(User.objects.filter(username__startswith="user "))
    stores = [store_of(user) for user in users]
    expires = timezone.now() + timedelta(days=14)
    Session.objects.bulk_create(
        Session(store.session_key, store.encode(dict(store.items())), expires) for store in stores
    )
    found = [login_of(user, store) for user, store in zip(users, stores, strict=True)]
    return [login for login in found if login is not None]


def store_of(user: User) -> Any:
    data = {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    return sessions.store(f"{user.pk:032d}", data)


class Queries:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        return execute(sql, params, many, context)


@contextmanager
def counted() -> Iterator[Queries]:
    queries = Queries()
    with connection.execute_wrapper(queries):
        yield queries


async def lateness(done: asyncio.Event) -> float:
    """By how much the loop was late at most, in seconds."""
    worst = 0.0
    while not done.is_set():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - before - 0.001)
    return worst


def look(batch: list[Login]) -> tuple[int, int, float]:
    started = time.thread_time()
    with counted() as queries:
        holding = still_hold(batch)
    return len(holding), queries.count, time.thread_time() - started


async def look_at(all_of_them: list[Login]) -> None:
    done = asyncio.Event()
    watching = asyncio.create_task(lateness(done))
    started = time.perf_counter()
    held = queries = 0
    seconds = 0.0
    for start in range(0, len(all_of_them), guard.BATCH):
        batch = all_of_them[start : start + guard.BATCH]
        more, asked, took = await asyncio.to_thread(look, batch)
        held, queries, seconds = held + more, queries + asked, seconds + took
        await asyncio.sleep(guard.PAUSE)
    elapsed = time.perf_counter() - started
    done.set()
    looks = 60 / (guard.SHARE * settings.LOGIN_CHECK_INTERVAL)
    print(f"{held} of {len(all_of_them)} logins hold; one look at all of them:")
    print(f"  {queries} queries, {elapsed:.2f} s, of which {seconds:.2f} s of processor time")
    print(f"  a minute: {queries * looks:.0f} queries, {seconds * looks:.2f} s of processor time")
    print(f"  the event loop was late by {1000 * await watching:.1f} ms at most")


def connect_one(login: Login) -> None:
    with counted() as first:
        user_of(sessions.read(str(login.session_key)) or {})
    with counted() as second:
        still_hold([login])
    print(f"a logged-in connect: {first.count} queries, and {second.count} before it is accepted")


def main(count: int) -> None:
    call_command("migrate", verbosity=0)
    found = logins(count)
    connect_one(found[0])
    asyncio.run(look_at(found))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
