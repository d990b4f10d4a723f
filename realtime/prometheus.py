"""The Prometheus endpoint, with the metrics of this process. It needs prometheus-client.

In urls.py::

    path("metrics/", realtime.prometheus.metrics_view)

Importing this module starts to measure handlers and arrivals. Everything else has no cost until
the endpoint is read. docs/metrics.md says what each metric means.
"""

from collections.abc import Iterable, Iterator, Mapping

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from . import routing
from .conf import settings
from .metrics import counters as metrics
from .metrics import instruments
from .metrics.table import COUNTERS, GAUGES, KINDS, OTHERS
from .metrics.timings import HandlerTimes, Histogram, Timings
from .node.current import serving
from .node.node import ServingNode
from .version import __version__

#: Staff need it to read the page.
PERMISSION = "realtime.view_node"


_NAMED = {name for name, _ in COUNTERS.values()}
_PREFIXES = tuple(kinds.prefix for kinds in KINDS.values())


class RealtimeCollector(Collector):
    """A collector for Prometheus' client library that reads everything when it is scraped.

    To use it in another endpoint: `prometheus_client.REGISTRY.register(RealtimeCollector())`.
    """

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        numbers = metrics.snapshot()
        node = serving()
        yield _about(node)
        yield from _clients(numbers, node)
        for name, (key, text) in GAUGES.items():
            yield GaugeMetricFamily(name, text, value=numbers[key])
        yield from _counters(dict(metrics.counts))
        yield from _times(instruments.timings or Timings())


def _about(node: ServingNode | None) -> Metric:
    return InfoMetricFamily(
        "realtime_node",
        "The process that answered: its id among the nodes, and the version of realtime",
        value={"node": "" if node is None else node.id, "version": __version__},
    )


def _clients(numbers: Mapping[str, float], node: ServingNode | None) -> Iterator[Metric]:
    connections = GaugeMetricFamily(
        "realtime_connections", "Open Engine.IO connections", labels=["transport"]
    )
    for transport in ("polling", "websocket"):
        connections.add_metric([transport], numbers[f"connections_{transport}"])
    yield connections
    sockets = GaugeMetricFamily(
        "realtime_sockets",
        "Clients in namespaces, by the namespace's route",
        labels=["namespace"],
    )
    for route, number in _sockets_by_route(node).items():
        sockets.add_metric([route], number)
    yield sockets


def _sockets_by_route(node: ServingNode | None) -> dict[str, int]:
    found = {route: 0 for route, _ in routing.registered()}
    if node is not None:
        for namespace, number in node.members.population().items():
            route = _route(node, namespace)
            found[route] = found.get(route, 0) + number
    return found


def _route(node: ServingNode, namespace: str) -> str:
    # The name itself only where the code chose it: clients could invent any number of labels.
    if node.is_named(namespace):
        return namespace
    return routing.route_of(namespace) or "*"


def _counters(counts: Mapping[str, int]) -> Iterator[Metric]:
    for name, (key, text) in COUNTERS.items():
        yield CounterMetricFamily(name, text, value=counts.get(key, 0))
    for name, kinds in KINDS.items():
        found = dict.fromkeys(kinds.known, 0) | {
            key.removeprefix(kinds.prefix): n
            for key, n in counts.items()
            if key.startswith(kinds.prefix)
        }
        yield _labelled(name, kinds.help, kinds.label, found)
    others = dict.fromkeys(OTHERS, 0) | {
        key: n for key, n in counts.items() if key not in _NAMED and not key.startswith(_PREFIXES)
    }
    yield _labelled("realtime_other", "Counters that have no metric of their own", "name", others)


def _labelled(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, n in sorted(values.items()):
        family.add_metric([value], n)
    return family


def _times(timings: Timings) -> Iterator[Metric]:
    seconds = HistogramMetricFamily(
        "realtime_handler_seconds",
        "How long handlers took, from the event's turn to its answer",
        labels=["consumer", "event"],
    )
    handled = CounterMetricFamily(
        "realtime_events_handled", "What became of events", labels=["consumer", "event", "outcome"]
    )
    for (consumer, event), times in list(timings.handlers.items()):
        labels = [_name(consumer), event]
        _add(seconds, labels, times.seconds)
        _add_outcomes(handled, labels, times)
    yield seconds
    yield handled
    arrivals = HistogramMetricFamily(
        "realtime_emit_arrival_seconds",
        "From an emit in another process to its delivery here, by the two clocks",
        labels=[],
    )
    _add(arrivals, [], timings.arrivals)
    yield arrivals


def _name(consumer: type | str) -> str:
    if isinstance(consumer, str):
        return consumer
    return f"{consumer.__module__}.{consumer.__qualname__}"


def _add_outcomes(family: CounterMetricFamily, labels: list[str], times: HandlerTimes) -> None:
    for outcome, n in times.outcomes.items():
        family.add_metric([*labels, outcome], n)


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, n in zip((*histogram.bounds, float("inf")), list(histogram.counts), strict=True):
        total += n
        buckets.append(("+Inf" if bound == float("inf") else repr(float(bound)), total))
    family.add_metric(labels, buckets, sum_value=histogram.sum)


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(RealtimeCollector())
    ProcessCollector(registry=registry)
    return registry


#: The registry of the endpoint, for other exporters: `start_http_server(port, registry=registry)`.
registry = _registry()


@login_not_required  # it looks at the request itself, and Prometheus has no session
@never_cache
@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """A view with this process's metrics.

    It accepts `REALTIME["METRICS_TOKEN"]` in the header `Authorization: Bearer`, and staff with the
    permission `realtime.view_node`. Other requests get the status 401.
    """
    if not (_has_token(request) or _is_allowed_staff(request)):
        refusal = HttpResponse(
            'Send REALTIME["METRICS_TOKEN"] in the header "Authorization: Bearer ...", or log in'
            f" as staff with the permission {PERMISSION}.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
        )
        refusal["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refusal
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)


def _has_token(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return bool(token) and scheme.lower() == "bearer" and constant_time_compare(given, token)


def _is_allowed_staff(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    if user is None:  # a site without AuthenticationMiddleware
        return False
    return bool(user.is_active and user.is_staff and user.has_perm(PERMISSION))


if instruments.timings is None:
    instruments.timings = Timings()
