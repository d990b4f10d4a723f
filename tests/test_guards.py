"""Guards: what we rely on in other libraries beyond their documented API.

A test that fails here after an upgrade means that a library moved it; the message says who used it.
"""

import ast
import asyncio
import inspect
import os
import re
import threading
from collections.abc import Iterator
from json import encoder, scanner
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
import redis.connection
import socketio
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels_postgres.core import PostgresChannelLayer
from channels_postgres.models import GroupChannel, Message
from channels_redis.core import RedisChannelLayer, RedisLoopLayer
from channels_redis.pubsub import (
    RedisPubSubChannelLayer,
    RedisPubSubLoopLayer,
    RedisSingleShardConnection,
)
from django.db.models import Model
from django.test import SimpleTestCase
from django.test.utils import _TestState, setup_test_environment, teardown_test_environment
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import realtime.json
from realtime.aio.bells import Bell
from realtime.cluster.layers import (
    BLOCKING_POP,
    CHANNEL_CAPACITY,
    configured,
    is_redis,
    own_channel,
    redis_client,
    redis_prefix,
)
from realtime.cluster.shortcut import shortcut_to
from realtime.compat.server import SocketIOServer
from realtime.node.threads import Lanes, LentThread
from realtime.testing import real_layer


def test_socketio_builds_its_engine_through_the_hook() -> None:
    source = inspect.getsource(socketio.AsyncServer.__mro__[1].__init__)
    assert "self._engineio_server_class()(**engineio_options)" in source


def test_socketio_looks_handlers_up_by_event_and_namespace() -> None:
    server = SocketIOServer()
    handler, args = object(), ("sid", 1)
    server.on("known", handler, namespace="/x")
    assert server._get_event_handler("known", "/x", args) == (handler, args)
    assert server._get_event_handler("other", "/x", args) == (None, args)
    assert server._get_namespace_handler("/x", args) == (None, args)


async def test_urlrouter_says_that_it_has_no_route() -> None:
    with pytest.raises(ValueError, match=r"^No route found for path"):
        await URLRouter([])({"type": "socketio", "path": "/nope"}, None, None)


async def test_asgiref_runs_sensitive_code_in_the_lane_of_the_task() -> None:

    lanes = Lanes(2)
    names = []

    async def handler() -> None:
        lane = lanes.acquire()
        names.append(await sync_to_async(lambda: threading.current_thread().name)())
        lanes.release(lane)

    async def both() -> None:
        first, second = lanes.acquire(), lanes.acquire()
        assert first is not second
        lanes.release(first)
        lanes.release(second)

    await asyncio.create_task(handler())
    await asyncio.create_task(both())
    assert re.fullmatch(r"realtime-\d+", names[0])


def test_redis_layer_keeps_capacities_as_a_list_of_patterns(settings: Any) -> None:
    backend = "channels_redis.core.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    found = configured()
    assert found is not None
    assert found.get_capacity("realtime.abc!def") == CHANNEL_CAPACITY
    assert found.get_capacity("specific.abc!def") == 100


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("redis://127.0.0.1:1/3", ("127.0.0.1", 1, 3)),
        (("127.0.0.1", 1), ("127.0.0.1", 1, 0)),
        ({"address": "redis://127.0.0.1:1", "db": 2}, ("127.0.0.1", 1, 2)),
    ],
)
def test_redis_layers_hosts_are_read_as_channels_redis_does(
    settings: Any, host: Any, address: tuple[str, int, int]
) -> None:
    """`cluster/layers.py` takes the store's connections from channels_redis.utils."""
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    config = {"hosts": [host, "redis://second"], "prefix": "mine"}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
    chosen = redis_client().connection_pool.connection_kwargs
    assert (chosen["host"], chosen["port"], chosen.get("db", 0)) == address
    assert redis_prefix() == "mine"
    # A second try of its own would log an event twice.
    connection = redis_client().connection_pool.make_connection()
    assert connection.retry.get_retries() == 0


@pytest.mark.parametrize("kind", [RedisChannelLayer, RedisPubSubChannelLayer])
def test_redis_layers_pack_messages_by_public_methods(kind: type) -> None:
    layer = kind()
    assert is_redis(layer)
    assert layer.deserialize(layer.serialize({"a": [None, b"x", 1 << 60]})) == {
        "a": [None, b"x", 1 << 60]
    }


def test_redis_layers_keep_their_clients_where_they_are_closed_from() -> None:
    """`cluster/layers.py` closes what they asked Sentinel with: the layers close the rest."""
    assert "for layer in self._layers.values()" in inspect.getsource(RedisChannelLayer.close_pools)
    flush = inspect.getsource(RedisLoopLayer.flush)
    assert "self._connections.pop(index)" in flush and "_close_redis(connection)" in flush
    assert "self._layers[loop] = layer" in inspect.getsource(RedisPubSubChannelLayer._get_layer)
    assert "for shard in self._shards" in inspect.getsource(RedisPubSubLoopLayer.flush)
    shard = RedisSingleShardConnection({"address": "redis://127.0.0.1:1"}, None)
    assert shard._redis is None
    assert "_close_redis(self._redis)" in inspect.getsource(RedisSingleShardConnection.flush)


def test_redis_layer_waits_for_less_than_redis_py_does(settings: Any) -> None:
    backend = "channels_redis.core.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    patience = inspect.signature(redis.asyncio.Redis.__init__).parameters["socket_timeout"].default
    assert "self.brpop_timeout" in inspect.getsource(RedisChannelLayer.receive_single)
    assert patience is None or configured().brpop_timeout < patience


def test_pubsub_layer_sends_to_a_group_as_the_shortcut_does() -> None:
    """`cluster/shortcut.py` takes its steps, but for the last, on a connection of its own."""
    steps = inspect.getsource(RedisPubSubLoopLayer.group_send).rpartition('"""')[2]
    assert [line.strip() for line in steps.strip().splitlines()] == [
        "group_channel = self._get_group_channel_name(group)",
        "shard = self._get_shard(group_channel)",
        "await shard.publish(group_channel, self.channel_layer.serialize(message))",
    ]
    assert "self._redis.publish(channel, message)" in inspect.getsource(
        RedisSingleShardConnection.publish
    )


def test_core_layer_asks_of_a_client_what_the_shortcuts_has() -> None:
    """`group_send` has no other commands, and looks at no answer to those that may wait."""
    source = inspect.getsource(RedisChannelLayer.group_send)
    asked = re.findall(r"(?:(\w+ = |in )?await )?\b(connection|pipe)\.(\w+)\(", source)
    assert asked == [
        ("", "connection", "zremrangebyscore"),
        ("in ", "connection", "zrange"),
        ("", "connection", "pipeline"),
        ("", "pipe", "zremrangebyscore"),
        ("", "pipe", "execute"),
        ("channels_over_capacity = ", "connection", "eval"),
    ]


@pytest.mark.parametrize("kind", ["core.RedisChannelLayer", "pubsub.RedisPubSubChannelLayer"])
def test_shortcut_is_for_the_layers_as_they_are(settings: Any, kind: str) -> None:
    def shortcut(backend: str, *hosts: Any) -> Any:
        config = {"hosts": list(hosts)} if hosts else {}
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
        with real_layer():
            return shortcut_to(configured())

    backend = f"channels_redis.{kind}"
    assert shortcut(backend) is not None
    assert shortcut(backend, ("127.0.0.1", 1), "redis://127.0.0.1:2/3") is not None
    sentinels = {"sentinels": [("127.0.0.1", 1)], "master_name": "live"}
    assert shortcut(backend, sentinels) is None
    assert shortcut(backend, {"address": "redis://127.0.0.1:1", "retry": object()}) is None
    assert shortcut(f"{__name__}.Own{kind.partition('.')[2]}") is None


class OwnRedisChannelLayer(RedisChannelLayer):
    """A project's own."""


class OwnRedisPubSubChannelLayer(RedisPubSubChannelLayer):
    """The same."""


def test_redis_py_leaves_its_parents_connections_alone_after_a_fork() -> None:
    """`cluster/lines.py` has a child drop them: closed, and never shut down."""
    pid, reading = os.getpid(), inspect.getsource(redis.connection.AbstractConnection.disconnect)
    assert redis.connection.Connection().pid == pid
    assert re.search(r"if os.getpid\(\) == self.pid:\s+try:\s+conn_sock.shutdown", reading)


def test_asgiref_runs_sensitive_code_in_a_thread_that_is_lent_to_the_loop() -> None:
    loop, lent = asyncio.new_event_loop(), LentThread()
    lent.lend(loop)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        work = sync_to_async(threading.get_ident)
        future = asyncio.run_coroutine_threadsafe(work(), loop)
        lent.wait(future, timeout=30)
        assert future.result() == threading.get_ident()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        lent.take_back(loop)
        loop.close()


def test_test_environment_is_told_by_what_django_sets_up() -> None:
    assert hasattr(_TestState, "saved_data")
    assert "mail.outbox = []" in inspect.getsource(setup_test_environment)
    assert "mail.outbox = []" in inspect.getsource(SimpleTestCase._pre_setup)
    assert "del _TestState.saved_data" in inspect.getsource(teardown_test_environment)


async def test_pubsub_layer_knows_a_channel_before_redis_does() -> None:
    """`cluster/layers.py` opens a consumer's channel without the wait of new_channel()."""
    layer = RedisPubSubChannelLayer(hosts=["redis://127.0.0.1:1"])
    source = inspect.getsource(RedisPubSubLoopLayer.new_channel)
    assert 'channel = f"{self.prefix}{prefix}{uuid.uuid4().hex}"' in source
    source = inspect.getsource(RedisPubSubLoopLayer._subscribe_to_channel)
    for step in (
        "self.channels[channel] = asyncio.Queue()",
        "shard = self._get_shard(channel)",
        "await shard.subscribe(channel)",
    ):
        assert step in source
    own = own_channel(layer)
    assert own.name in layer._get_layer().channels
    # A layer of another kind is asked for a name, which it gives at once.
    core = RedisChannelLayer()
    assert own_channel(core).name.startswith("specific.")
    # It waits in Redis for less long than redis-py waits for an answer.
    assert core.brpop_timeout == BLOCKING_POP < RedisChannelLayer.brpop_timeout


def test_the_scanner_of_json_can_be_called_on_a_part_of_a_text() -> None:
    assert type(realtime.json.scan) is scanner.c_make_scanner
    assert realtime.json.scan('2["a"] ', 1) == (["a"], 6)
    for broken, error in (("2[", StopIteration), ("2[1", ValueError), ("2[NaN]", ValueError)):
        with pytest.raises(error):
            realtime.json.scan(broken, 1)


def test_the_encoder_that_json_makes_for_each_call_can_be_kept() -> None:
    source = inspect.getsource(encoder.JSONEncoder.iterencode)
    assert "c_make_encoder(" in source
    assert realtime.json._chunks is not None  # its arguments are compared in test_json.py


def test_postgres_layer_has_the_tables_and_the_notices_that_we_use() -> None:
    """`cluster/postgres.py` has connections of its own to what channels_postgres set up."""
    place = {"ENGINE": "django.db.backends.postgresql", "NAME": "a b", "HOST": "h", "PORT": "1"}
    options = {"USER": "u", "PASSWORD": "", "TIME_ZONE": None, "PSYCOPG_OPTIONS": {"max_size": 3}}
    theirs = PostgresChannelLayer(prefix="mine", **place, **options)
    assert conninfo_to_dict(make_conninfo(**theirs.db_params))["dbname"] == "a b"
    assert theirs.django_db.psycopg_options == {"max_size": 3}
    assert theirs._group_key("a") == "mine:group:a"
    assert theirs.deserialize(theirs.serialize({"a": b"x"})) == {"a": b"x"}
    assert fields_of(Message) == {"id", "channel", "message", "expire"}
    assert fields_of(GroupChannel) == {"id", "group_key", "channel", "expire"}
    assert Message._meta.db_table == "channels_postgres_message"
    assert GroupChannel._meta.db_table == "channels_postgres_groupchannel"
    source = inspect.getsource(PostgresChannelLayer.listen_to_all_channels)
    assert "LISTEN channels_postgres_messages" in source
    source = inspect.getsource(PostgresChannelLayer._get_message_from_channel)
    assert "message_id, _, base64_message, timestamp = split_payload" in source


def fields_of(model: type[Model]) -> set[str]:
    return {field.column for field in model._meta.local_fields}


async def test_tasks_wait_at_anything_that_looks_like_a_future() -> None:
    bell = Bell()
    assert asyncio.isfuture(bell)
    waiting = asyncio.ensure_future(bell.wait())
    await asyncio.sleep(0)
    assert bell.has_waiter  # the task has called `add_done_callback`
    bell.ring()
    await waiting
    leaving = asyncio.ensure_future(bell.wait())
    await asyncio.sleep(0)
    leaving.cancel()  # which calls its `cancel`, and then its `result`
    with pytest.raises(asyncio.CancelledError):
        await leaving


# Where private names are used

HOUSE = Path(realtime.__file__).parent
#: Documented by Python and by Django, in spite of the underscore.
DOCUMENTED = {"_asdict", "_base_manager", "_default_manager", "_fields", "_getframe", "_make"}
DOCUMENTED |= {"_meta", "_replace", "_state"}


def private_names(tree: ast.AST) -> Iterator[str]:
    """The private names that a module reads of something."""
    for node in ast.walk(tree):
        name: Any = None
        if isinstance(node, ast.Attribute):
            name = node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr"):
            name = getattr(node.args[1], "value", None)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (alias.name for alias in node.names if alias.name.startswith("_"))
        if isinstance(name, str) and name.startswith("_") and not name.startswith("__"):
            yield name


def own_names(tree: ast.AST) -> Iterator[str]:
    """The names that a module gives to something of the house."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if getattr(node.value, "id", "") in ("self", "cls"):
                yield node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setattr":
            yield getattr(node.args[1], "value", "")


def test_private_names_of_libraries_are_used_where_contributing_says() -> None:
    text = (HOUSE.parent / "CONTRIBUTING.md").read_text()
    [rule] = re.findall(r"Libraries are not patched.*?\n- ", text, re.DOTALL)
    places = [HOUSE.parent / place for place in re.findall(r"`(realtime/[^`]*)`", rule)]
    places += [HOUSE / "cluster" / name for name in re.findall(r"`(\w+\.py)`", rule)]
    assert all(place.exists() for place in places)
    trees = {path: ast.parse(path.read_text()) for path in HOUSE.rglob("*.py")}
    ours = {name for tree in trees.values() for name in own_names(tree)} | DOCUMENTED
    elsewhere = {
        str(path.relative_to(HOUSE)): names
        for path, tree in trees.items()
        if not any(path.is_relative_to(place) for place in places)
        and (names := set(private_names(tree)) - ours)
    }
    assert elsewhere == {}
