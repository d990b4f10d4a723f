"""Writes the spans of this process to a file, one as JSON on each line."""

from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from realtime.tracing import instrument


def write_spans(path: str) -> None:
    provider = TracerProvider()
    exporter = ConsoleSpanExporter(
        # Open for as long as the process lives.
        out=Path(path).open("a", buffering=1, encoding="utf-8"),  # noqa: SIM115
        formatter=lambda span: span.to_json(indent=None) + "\n",
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrument(provider)
