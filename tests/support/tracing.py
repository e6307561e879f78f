"""Traces that a test can look at."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once


class Spans:
    """The spans that have ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def all(self) -> list[ReadableSpan]:
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def tree(self) -> list[str]:
        """One line a span, below what it belongs to, in the order in which they began."""
        known = {span.context.span_id for span in self.all()}
        tops = [span for span in self.all() if span.parent is None or span.parent.span_id not in known]
        return [line for top in tops for line in self._lines(top, 0)]

    def _lines(self, span: ReadableSpan, depth: int) -> list[str]:
        below = [one for one in self.all() if one.parent is not None and one.parent.span_id == span.context.span_id]
        return ["  " * depth + span.name, *(line for one in below for line in self._lines(one, depth + 1))]


def _forget() -> None:
    """OpenTelemetry lets a process set its provider once, and has no public way to take it back."""
    trace._TRACER_PROVIDER_SET_ONCE = Once()
    trace._TRACER_PROVIDER = None


@pytest.fixture
def spans() -> Iterator[Spans]:
    """A provider set by the application, as many do, for one test."""
    spans = Spans()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans.exporter))
    _forget()
    trace.set_tracer_provider(provider)
    yield spans
    _forget()
    provider.shutdown()
