"""channels_postgres for the bus: its tables, its trigger and its encryption, and our connections.

Its own connections (1.1.4) are not for a site that must go on: a process that starts takes what
waits for all others, a listener whose connection broke never hears again and says nothing, the pool
belongs to the module and so to one event loop, groups are left through the ORM, on a connection
that nobody replaces, and memberships that expired still count. Private names; guarded by
tests/test_guards.py.
"""

import asyncio
import base64
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo

from ..aio.tasks import Tasks

#: Connections that a process has at most, beside the one that listens; PSYCOPG_OPTIONS may say
#: another `max_size`.
CONNECTIONS = 4
#: Seconds between two times that a process deletes what has expired.
SWEEP = 30.0
#: Ids that one may be behind another that is already committed.
SLACK = 1_000

# What is sent is not worth a write to disk that is waited for.
BEGIN: LiteralString = "SET synchronous_commit TO off"
LISTEN: LiteralString = "LISTEN channels_postgres_messages"
SEND: LiteralString = (
    "INSERT INTO channels_postgres_message (channel, message, expire)"
    " VALUES (%s, %s, now() + make_interval(secs => %s))"
)
SEND_TO_GROUP: LiteralString = (
    "INSERT INTO channels_postgres_message (channel, message, expire)"
    " SELECT DISTINCT channel, %s::bytea, now() + make_interval(secs => %s)"
    " FROM channels_postgres_groupchannel WHERE group_key = %s AND expire > now()"
)
JOIN: LiteralString = (
    "WITH renewed AS (UPDATE channels_postgres_groupchannel"
    " SET expire = now() + make_interval(secs => %(lasts)s)"
    " WHERE group_key = %(group)s::text AND channel = %(channel)s::text RETURNING id)"
    " INSERT INTO channels_postgres_groupchannel (group_key, channel, expire)"
    " SELECT %(group)s::text, %(channel)s::text, now() + make_interval(secs => %(lasts)s)"
    " WHERE NOT EXISTS (SELECT FROM renewed)"
)
LEAVE: LiteralString = (
    "DELETE FROM channels_postgres_groupchannel WHERE group_key = %s AND channel = %s"
)
WAITING: LiteralString = (
    "SELECT id FROM channels_postgres_message"
    " WHERE channel = %s AND id > %s AND expire > now() ORDER BY id"
)
READ: LiteralString = "SELECT message FROM channels_postgres_message WHERE id = %s"
SWEEP_MESSAGES: LiteralString = "DELETE FROM channels_postgres_message WHERE expire < now()"
#: Ours alone: those of the project's own groups never expire where `group_expiry` is 0.
SWEEP_GROUPS: LiteralString = (
    "DELETE FROM channels_postgres_groupchannel WHERE expire < now() AND starts_with(group_key, %s)"
)
#: The tables' sizes, whether groups are found by an index, and the ids of messages.
FIGURES: LiteralString = (
    "SELECT (SELECT count(*) FROM channels_postgres_message),"
    " (SELECT count(*) FROM channels_postgres_groupchannel),"
    " (SELECT count(*) FROM pg_indexes WHERE tablename = 'channels_postgres_groupchannel'"
    " AND indexdef LIKE '%(group_key%'),"
    " coalesce(last_value, 0), max_value, cycle"
    " FROM pg_sequences WHERE sequencename = 'channels_postgres_message_id_seq'"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What is in the tables of the layer."""

    messages: int
    memberships: int
    has_index: bool
    #: How many of the ids that messages can have were given away, from 0 to 1; None where they
    #: begin again.
    ids_used: float | None


class PostgresLayer:
    """What the bus needs of a channel layer, beside a configured one that it never connects.

    For one event loop, and for one channel that one task receives from.
    """

    def __init__(self, theirs: Any, group_expiry: int) -> None:
        self._theirs = theirs
        self._conninfo = make_conninfo(**theirs.db_params)
        self.expiry: int = theirs.expiry
        self.group_expiry = group_expiry
        options = theirs.django_db.psycopg_options
        self._places = asyncio.Semaphore(options.get("max_size") or CONNECTIONS)
        self._idle: list[psycopg.AsyncConnection[Any]] = []
        self._ear: psycopg.AsyncConnection[Any] | None = None
        #: What came to our channel: ids, with the message if it was short enough to be told.
        self._heard: deque[tuple[int, bytes | None]] = deque()
        self._last = 0
        self._swept_at = 0.0
        self._tasks = Tasks()

    def serialize(self, message: dict[str, Any]) -> bytes:
        """A message as the tables hold it, encrypted if the settings say so."""
        packed: bytes = self._theirs.serialize(message)
        return packed

    async def new_channel(self, prefix: str) -> str:
        """A name that no other channel has."""
        name: str = await self._theirs.new_channel(prefix)
        return name

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send to one channel."""
        await self._run(SEND, (channel, self.serialize(message), self.expiry))

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to all channels in a group."""
        key = self._theirs._group_key(group)
        await self._run(SEND_TO_GROUP, (self.serialize(message), self.expiry, key))

    async def group_add(self, group: str, channel: str) -> None:
        """Let a channel be in a group for `group_expiry` seconds from now."""
        key = self._theirs._group_key(group)
        await self._run(JOIN, {"group": key, "channel": channel, "lasts": self.group_expiry})
        if time.monotonic() - self._swept_at > SWEEP:
            self._swept_at = time.monotonic()
            await self._run(SWEEP_MESSAGES, ())
            await self._run(SWEEP_GROUPS, (self._theirs._group_key("realtime."),))

    async def group_discard(self, group: str, channel: str) -> None:
        """Let a channel be in a group no more."""
        await self._run(LEAVE, (self._theirs._group_key(group), channel))

    async def figures(self) -> Figures:
        """What is in the tables."""
        [row] = await self._run(FIGURES, None)
        messages, memberships, indexes, last, limit, cycles = row
        return Figures(
            messages=messages,
            memberships=memberships,
            has_index=indexes > 0,
            ids_used=None if cycles else last / limit,
        )

    async def receive(self, channel: str) -> dict[str, Any]:
        """The next message. A connection that breaks is an error, and the next call makes another;
        what came meanwhile was kept. A few messages may come twice then."""
        try:
            while True:
                if self._ear is None:
                    self._ear = await self._listen(channel)
                while self._heard:
                    id, packed = self._heard[0]
                    if packed is None:
                        packed = await self._read(id)
                    self._heard.popleft()
                    self._last = id
                    if packed is not None:  # else it has expired
                        message: dict[str, Any] = self._theirs.deserialize(packed)
                        return message
                async for notice in self._ear.notifies(stop_after=1):
                    self._note(channel, notice.payload)
        except BaseException:
            await self._stop_listening()
            raise

    async def _listen(self, channel: str) -> psycopg.AsyncConnection[Any]:
        """Hear what is sent from now on, and take what was sent while nobody heard."""
        ear = await self._connect()
        try:
            await ear.execute(LISTEN)
            self._heard.clear()  # what is not yet handled waits in the table, too
            waiting = await ear.execute(WAITING, (channel, self._last - SLACK))
            self._heard.extend((id, None) for (id,) in await waiting.fetchall())
        except BaseException:
            await ear.close()
            raise
        return ear

    def _note(self, channel: str, payload: str) -> None:
        """Take a notice of the trigger's: the id, the channel, the message, and when it expires."""
        id, _, rest = payload.partition(":")
        addressee, _, rest = rest.partition(":")
        if addressee == channel:
            packed = base64.b64decode(rest.partition(":")[0]) if rest else None
            self._heard.append((int(id), packed))

    async def _read(self, id: int) -> bytes | None:
        found = await self._run(READ, (id,))
        return bytes(found[0][0]) if found else None

    async def _stop_listening(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            await ear.close()

    # Connections

    async def _run(self, statement: LiteralString, args: Any) -> list[Any]:
        """Run a statement; its rows. Gives up as soon as it is cancelled."""
        # psycopg takes up to ten seconds to cancel what a server that hangs was told.
        work = self._tasks.start(self._execute(statement, args))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            work.cancel()
            raise

    async def _execute(self, statement: LiteralString, args: Any) -> list[Any]:
        async with self._connection() as connection:
            cursor = await connection.execute(statement, args)
            return await cursor.fetchall() if cursor.description else []

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        async with self._places:
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                yield connection
            except BaseException as error:
                await connection.close()
                if isinstance(error, psycopg.OperationalError):
                    await self._close_idle()  # it is rarely one that breaks alone
                raise
            self._idle.append(connection)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        try:
            await connection.execute(BEGIN)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _close_idle(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def close_pools(self) -> None:
        """Close all connections."""
        await self._tasks.end()
        await self._stop_listening()
        await self._close_idle()
