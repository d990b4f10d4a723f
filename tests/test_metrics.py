"""Metrics, spans and log records: what is measured in process, the page, and the files about it."""

import ast
import asyncio
import io
import json
import logging
import logging.config
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import path
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import generate_latest

from realtime import EventError, SocketIOConsumer, asgi, event, routing
from realtime.asgi import make_server
from realtime.compat.server import SocketIOServer
from realtime.metrics import counters as metrics
from realtime.metrics import instruments
from realtime.metrics.timings import Histogram, Timings
from realtime.node import emissions
from realtime.node.emissions import from_body, to_body
from realtime.prometheus import PERMISSION, metrics_view, registry
from realtime.testing import SocketIOCommunicator
from realtime.tracing import instrument, uninstrument

from .documents import ROOT, blocks

DOCUMENT = ROOT / "docs" / "metrics.md"
TOKEN = "a token of the tests"

urlpatterns = [path("metrics/", metrics_view)]
pytestmark = pytest.mark.urls(__name__)


class Desk(SocketIOConsumer):
    @event
    async def ask(self, what: str) -> str:
        if what == "bug":
            raise RuntimeError("a bug")
        if what == "sold out":
            raise EventError("no stock", code="sold_out")
        return what


@pytest.fixture
def timings() -> Iterator[Timings]:
    before, instruments.timings = instruments.timings, Timings()
    yield instruments.timings
    instruments.timings = before


@pytest.fixture
async def desk() -> Any:
    communicator = SocketIOCommunicator(Desk, "/desk/7", route="/desk/<int:pk>")
    await communicator.connect()
    yield communicator
    await communicator.disconnect()


@pytest.fixture
async def server() -> Any:
    server = make_server()
    server.start()
    yield server
    await server.shutdown()


def samples() -> dict[str, float]:
    """The page, as {"name{labels}": value}."""
    lines = generate_latest(registry).decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def exported() -> set[str]:
    return set(re.findall(r"^# TYPE (\S+)", generate_latest(registry).decode(), re.MULTILINE))


# Who may read the page


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer", 401),
        (TOKEN, 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer läß", 401),
        (None, 401),
    ],
)
@pytest.mark.django_db
def test_page_is_for_who_has_the_token(settings: Any, header: str | None, status: int) -> None:
    settings.REALTIME = {"METRICS_TOKEN": TOKEN}
    answer = Client().get("/metrics/", headers={"authorization": header} if header else {})
    assert answer.status_code == status
    assert (b"realtime_sockets" in answer.content) == (status == 200)
    assert status == 200 or answer["WWW-Authenticate"] == 'Bearer realm="metrics"'


@pytest.mark.parametrize("token", [None, ""])
@pytest.mark.parametrize("given", ["", "None"])
@pytest.mark.django_db
def test_page_without_a_token_in_the_settings_is_for_staff_only(
    settings: Any, token: str | None, given: str
) -> None:
    settings.REALTIME = {"METRICS_TOKEN": token}
    answer = Client().get("/metrics/", headers={"authorization": f"Bearer {given}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("options", "permitted", "status"),
    [
        ({"is_staff": True, "is_superuser": True}, False, 200),
        ({"is_staff": True}, True, 200),
        ({"is_staff": True}, False, 401),
        ({}, True, 401),
        ({"is_staff": True, "is_active": False}, True, 401),
    ],
)
@pytest.mark.django_db
def test_page_is_for_staff_with_the_permission(
    options: dict[str, Any], permitted: bool, status: int
) -> None:
    user = User.objects.create_user("ada", **options)
    label, codename = PERMISSION.split(".")
    if permitted:
        kind, _ = ContentType.objects.get_or_create(app_label=label, model="node")
        permission, _ = Permission.objects.get_or_create(content_type=kind, codename=codename)
        user.user_permissions.add(permission)
    client = Client()
    client.force_login(user)
    assert client.get("/metrics/").status_code == status


def test_page_is_only_read() -> None:
    assert Client().post("/metrics/").status_code == 405


# What is on it


async def test_handlers_are_timed_by_what_the_code_declares(
    timings: Timings, desk: SocketIOCommunicator
) -> None:
    for what in ("this", "that", "bug", "sold out"):
        await desk.call("ask", what)
    unknown = metrics.counts["events.unknown"]
    await desk.call("made up by a client")
    found = samples()
    labels = 'consumer="tests.test_metrics.Desk",event="ask"'
    handled = f"realtime_events_handled_total{{{labels},outcome="
    assert found[f'{handled}"ok"}}'] == 2
    assert found[f'{handled}"failed"}}'] == 1
    assert found[f'{handled}"refused"}}'] == 1
    assert found[f"realtime_handler_seconds_count{{{labels}}}"] == 4
    assert found[f"realtime_handler_seconds_sum{{{labels}}}"] > 0
    assert not any("made up" in name for name in found)
    assert metrics.counts["events.unknown"] == unknown + 1


async def test_nothing_is_timed_while_nobody_wants_it(
    timings: Timings, desk: SocketIOCommunicator
) -> None:
    instruments.timings = None
    assert await desk.call("ask", "this") == "this"
    assert not timings.handlers


def test_histogram_has_a_value_in_the_first_bucket_that_holds_it() -> None:
    histogram = Histogram((1, 2, 4))
    for value in (0, 1, 1.5, 4, 100):
        histogram.observe(value)
    assert histogram.counts == [2, 1, 1, 1]
    assert (histogram.total, histogram.sum) == (5, 106.5)


def test_arrival_before_its_emit_counts_as_none(timings: Timings) -> None:
    timings.arrived(-3.0)
    timings.arrived(0.002)
    found = samples()
    assert found["realtime_emit_arrival_seconds_count"] == 2
    assert found["realtime_emit_arrival_seconds_sum"] == pytest.approx(0.002)
    assert found['realtime_emit_arrival_seconds_bucket{le="0.001"}'] == 1
    assert found['realtime_emit_arrival_seconds_bucket{le="+Inf"}'] == 2


def test_counters_without_a_metric_are_on_the_page_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "counts", metrics.Counter({"brand.new": 3, "refused.new": 2}))
    found = samples()
    assert found['realtime_other_total{name="brand.new"}'] == 3
    assert found['realtime_refusals_total{kind="new"}'] == 2
    assert found['realtime_refusals_total{kind="origin"}'] == 0


async def test_server_is_in_the_numbers_as_long_as_it_runs(server: SocketIOServer) -> None:
    assert metrics.snapshot()["nodes"] == 1
    assert f'realtime_node_info{{node="{server.node.id}"' in str(samples())
    # The page is made in a thread, by a plain view.
    assert (await asyncio.to_thread(metrics.snapshot)).keys() == metrics.snapshot().keys()
    await server.shutdown()
    after = metrics.snapshot()
    assert (after["nodes"], after["uptime"]) == (0, 0)
    assert after["memory"] > 1_000_000
    assert 'realtime_node_info{node=""' in str(samples())


def test_rates_are_those_of_the_last_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "counts", metrics.Counter())
    rates = metrics.Rates()
    assert rates.read(0)["emits"] == 0
    for second in range(0, 100, 2):
        rates.look(second)
        metrics.counts["emits"] += 20 if second < 80 else 6
    # The oldest look is eight seconds before the last one, at 98.
    assert rates.read(100)["emits"] == pytest.approx(3)
    assert rates.read(100)["events.in"] == 0


# The files about it


def rows() -> dict[str, list[str]]:
    """The table of the docs: each metric with its alerts."""
    found = re.findall(
        r"^\| `((?:realtime|process)_\w+)` \|.*\| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    return {name: re.findall(r"`(\w+)`", alerts) for name, alerts in found}


def queried(expression: str) -> set[str]:
    """The metrics of a query."""
    names = re.findall(r"\b(?:realtime|process)_\w+", re.sub(r'"[^"]*"', "", expression))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((ROOT / "docs" / "prometheus" / "alerts.yml").read_text())
    (group,) = loaded["groups"]
    return list(group["rules"])


def test_table_has_the_exported_metrics() -> None:
    assert rows().keys() == exported()


def test_table_has_the_alerts_of_the_file() -> None:
    named = {alert for alerts in rows().values() for alert in alerts}
    assert named == {rule["alert"] for rule in rules()}


def test_alerts_ask_for_the_metrics_that_the_table_says() -> None:
    asked: dict[str, set[str]] = {name: set() for name in rows()}
    for rule in rules():
        for name in queried(rule["expr"]):
            asked[name].add(rule["alert"])
    for name, alerts in rows().items():
        assert set(alerts) <= asked[name], name


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_alert_is_complete(rule: dict[str, Any]) -> None:
    assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert rule["annotations"].keys() == {"summary", "description"}
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert queried(rule["expr"]) <= exported()


def test_scrape_configuration_reads_the_rules_and_sends_the_token() -> None:
    folder = ROOT / "docs" / "prometheus"
    loaded = yaml.safe_load((folder / "prometheus.yml").read_text())
    assert all((folder / name).exists() for name in loaded["rule_files"])
    (job,) = loaded["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("realtime", "/metrics/")
    assert job["authorization"]["type"] == "Bearer"


def test_dashboard_shows_each_metric_worth_a_look_and_no_other() -> None:
    board = json.loads((ROOT / "docs" / "grafana" / "realtime.json").read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    shown = [panel for panel in panels if panel["type"] != "row"]
    cells = [cell for panel in panels for cell in _cells(panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in shown)
    expressions = [target["expr"] for panel in shown for target in panel["targets"]]
    assert set().union(*map(queried, expressions)) == exported() - {
        "process_virtual_memory_bytes",
        "realtime_other_total",
    }
    variables = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(?!__)(\w+)", json.dumps(panels)))
    assert used <= variables


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    columns = range(place["x"], place["x"] + place["w"])
    assert columns.stop <= 24
    return [(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])]


# OpenTelemetry


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    routes = list(routing._routes)
    routing.namespace("/desk/<int:pk>")(Desk)
    instrument(provider)
    yield exporter
    uninstrument()
    routing._routes[:] = routes


def only(spans: InMemorySpanExporter) -> ReadableSpan:
    (span,) = spans.get_finished_spans()
    spans.clear()
    return span


async def test_handler_runs_in_a_span_named_by_event_and_route(
    spans: InMemorySpanExporter, desk: SocketIOCommunicator
) -> None:
    await desk.call("ask", "this")
    span = only(spans)
    assert (span.name, span.kind, span.parent) == ("ask /desk/<int:pk>", SpanKind.CONSUMER, None)
    assert dict(span.attributes or {}) == {
        "messaging.system": "socketio",
        "messaging.operation.name": "ask",
        "messaging.operation.type": "process",
        "messaging.destination.name": "/desk/7",
        "messaging.destination.template": "/desk/<int:pk>",
        "messaging.client.id": desk.sid,
    }


async def test_span_of_a_handler_that_raises_is_an_error(
    spans: InMemorySpanExporter, desk: SocketIOCommunicator
) -> None:
    answer = await desk.call("ask", "bug")
    assert answer["error"]["code"] == "internal"
    span = only(spans)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "RuntimeError"
    assert span.events[0].name == "exception"


async def test_span_of_an_event_error_has_its_code_and_is_no_error(
    spans: InMemorySpanExporter, desk: SocketIOCommunicator
) -> None:
    await desk.call("ask", "sold out")
    span = only(spans)
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})["error.type"] == "sold_out"


async def test_event_whose_arguments_are_refused_has_a_span(
    spans: InMemorySpanExporter, desk: SocketIOCommunicator
) -> None:
    await desk.call("ask", "this", "and", "that")
    assert (only(spans).attributes or {})["error.type"] == "bad_arguments"


async def test_unknown_event_has_no_span(
    spans: InMemorySpanExporter, desk: SocketIOCommunicator
) -> None:
    await desk.call("made up by a client")
    assert not spans.get_finished_spans()


async def test_emit_carries_its_span_to_where_it_is_delivered(
    spans: InMemorySpanExporter, server: SocketIOServer
) -> None:
    emission = emissions.encode("news", [1], namespace="/desk/7", to=("a", "b"))
    tracing = instruments.tracing
    assert tracing is not None
    with tracing.emitting(emission) as traced:
        pass
    sent = only(spans)
    assert (sent.name, sent.kind) == ("emit news /desk/<int:pk>", SpanKind.PRODUCER)
    assert (sent.attributes or {})["realtime.to"] == ("a", "b")
    # As it comes out of the channel layer.
    with tracing.delivering(from_body(to_body(traced))):
        pass
    arrived = only(spans)
    assert arrived.name == "deliver news /desk/<int:pk>"
    assert arrived.parent is not None
    assert arrived.context.trace_id == sent.context.trace_id
    assert arrived.parent.span_id == arrived.links[0].context.span_id == sent.context.span_id
    # One that came without a span has none here.
    with tracing.delivering(emission):
        pass
    assert not spans.get_finished_spans()


async def test_emit_of_a_server_is_a_span(
    spans: InMemorySpanExporter, server: SocketIOServer
) -> None:
    await server.node.broadcast(emissions.encode("news", [], namespace="/desk/7", to=None))
    assert only(spans).name == "emit news /desk/<int:pk>"


def test_snippet_that_sets_opentelemetry_up_traces(spans: InMemorySpanExporter) -> None:
    (block,) = [b for b in blocks() if b.document == "docs/metrics.md" and "instrument()" in b.code]
    uninstrument()
    # The global provider can be set once in a process, and is no business of the other tests.
    line = "trace.set_tracer_provider(TracerProvider())"
    code = block.code.replace(line, "TracerProvider()")
    assert code != block.code
    created = list(asgi._created)
    exec(compile(code, str(block), "exec"), {"__name__": "snippet"})
    asgi._created[:] = created
    assert instruments.tracing is not None


# Logs


@pytest.fixture
def json_lines() -> Iterator[io.StringIO]:
    """What the snippet of the docs writes."""
    (block,) = [b for b in blocks() if b.document == "docs/metrics.md" and "LOGGING" in b.code]
    scope: dict[str, Any] = {}
    exec(block.code, scope)
    logger = logging.getLogger("realtime")
    before = logger.handlers, logger.level, logger.propagate
    logging.config.dictConfig(scope["LOGGING"])
    (handler,) = logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    yield stream
    logger.handlers, logger.level, logger.propagate = before


#: Whose log records are all about a socket or a connection.
WITH_FACTS = [
    "compat/client_manager.py",
    "emitters.py",
    "engine/connection.py",
    "engine/sessions.py",
    "engine/transports/asgi.py",
    "engine/transports/polling.py",
    "engine/transports/polling_wire.py",
    "engine/transports/websocket.py",
    "server/connects.py",
    "server/handling.py",
    "server/unserved.py",
    "server/server.py",
]


@pytest.mark.parametrize("name", WITH_FACTS)
def test_each_log_call_names_the_facts(name: str) -> None:
    tree = ast.parse((ROOT / "realtime" / name).read_text())
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger.")
    ]
    assert calls
    for call in calls:
        assert "extra" in {keyword.arg for keyword in call.keywords}, ast.unparse(call)


async def test_log_lines_say_whose_event_it_was(json_lines: io.StringIO) -> None:
    user = User(pk=7, username="ada@example.org")
    client = SocketIOCommunicator(Desk, "/desk/7", user=user)
    await client.connect()
    await client.call("ask", "bug")
    await client.call("x" * 1000)
    await client.disconnect()
    raised, unknown = map(json.loads, json_lines.getvalue().splitlines())
    facts = {"sid": client.sid, "namespace": "/desk/7", "user": "7"}
    assert raised.items() >= {**facts, "event": "ask", "level": "ERROR"}.items()
    assert raised["logger"] == "realtime.consumers"
    assert raised["time"].endswith("+00:00")
    assert "RuntimeError: a bug" in raised["exception"]
    assert "ada@example.org" not in json_lines.getvalue()
    assert unknown.items() >= {**facts, "event": "x" * 100, "level": "WARNING"}.items()
    assert "exception" not in unknown
