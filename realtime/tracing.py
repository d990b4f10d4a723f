"""OpenTelemetry spans for handlers, emits, and deliveries in other processes.

It needs `pip install opentelemetry-api`, and the SDK and exporter of your choice.

Names and attributes follow OpenTelemetry's conventions for messaging spans: the name is
"{operation} {destination}". The destination is the route of the namespace and not its name, so that
the number of span names is limited by what the code declares.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider

from . import routing
from .metrics import instruments
from .node.emissions import Emission
from .server.handling import DELIBERATE, as_event_error
from .version import __version__

#: Rooms of an emit that its span names.
MAX_ROOMS = 10


def instrument(tracer_provider: TracerProvider | None = None) -> None:
    """Start to make spans, with this tracer provider or OpenTelemetry's global one.

    Call it once in each process that serves or emits, after you have set up OpenTelemetry.
    """
    tracer = trace.get_tracer("realtime", __version__, tracer_provider)
    instruments.tracing = OpenTelemetryTracing(tracer)


def uninstrument() -> None:
    """Stop making spans."""
    instruments.tracing = None


class OpenTelemetryTracing:
    """See `instruments.Tracing`."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    async def handle(self, consumer: Any, event: str, call: Awaitable[Any]) -> Any:
        facts = {"messaging.client.id": consumer.sid}
        if (key := getattr(consumer.user, "pk", None)) is not None:
            facts["user.id"] = str(key)
        # A trace of its own: around it is the request that opened the connection, hours ago maybe.
        around = trace.get_current_span().get_span_context()
        links = [Link(around)] if around.is_valid else []
        with self._span(
            event, "process", consumer.namespace, SpanKind.CONSUMER, Context(), links, facts
        ) as span:
            try:
                return await call
            except DELIBERATE as error:
                # Deliberate, like an HTTP status below 500: not a failure of the server.
                span.set_attribute("error.type", as_event_error(error).code)
                raise
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, str(error)))
                raise

    @contextlib.contextmanager
    def emitting(self, emission: Emission) -> Iterator[Emission]:
        operation, facts = f"emit {emission.event}", _rooms(emission)
        with self._span(
            operation, "send", emission.namespace, SpanKind.PRODUCER, None, [], facts
        ) as span:
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            try:
                yield dataclasses.replace(emission, trace=carrier)
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR, str(error)))
                raise

    @contextlib.contextmanager
    def delivering(self, emission: Emission) -> Iterator[None]:
        if not emission.trace:
            yield
            return
        sender = propagate.extract(dict(emission.trace))
        origin = trace.get_current_span(sender).get_span_context()
        links = [Link(origin)] if origin.is_valid else []
        operation, facts = f"deliver {emission.event}", _rooms(emission)
        with self._span(
            operation, "process", emission.namespace, SpanKind.CONSUMER, sender, links, facts
        ):
            yield

    def _span(
        self,
        operation: str,
        kind: str,
        namespace: str,
        span_kind: SpanKind,
        parent: Context | None,
        links: list[Link],
        facts: Mapping[str, Any],
    ) -> contextlib.AbstractContextManager[Span]:
        route = routing.route_of(namespace)
        template = {} if route is None else {"messaging.destination.template": route}
        return self._tracer.start_as_current_span(
            f"{operation} {route or namespace}",
            context=parent,
            kind=span_kind,
            links=links,
            attributes={
                "messaging.system": "socketio",
                "messaging.operation.name": operation,
                "messaging.operation.type": kind,
                "messaging.destination.name": namespace,
                **template,
                **facts,
            },
            record_exception=False,
            set_status_on_exception=False,
        )


def _rooms(emission: Emission) -> dict[str, Any]:
    return {} if emission.to is None else {"realtime.to": list(emission.to[:MAX_ROOMS])}
