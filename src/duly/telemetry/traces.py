"""Spans of submits, waits and attempts, as OpenTelemetry's conventions for messaging have them.

Imported only where the process was set up for traces: see :mod:`duly.telemetry.tracing`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from threading import Thread
from time import time_ns

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.typing import EventDict, WrappedLogger

from duly.domain.state import Reason
from duly.domain.task import Task
from duly.ports.telemetry import Emit

SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
SYSTEM = "duly"

FAULTS = frozenset(
    {
        Reason.HANDLER_ERROR,
        Reason.TIMEOUT,
        Reason.POISON,
        Reason.WORKER_LOST,
        Reason.RESULT_INVALID,
        Reason.RESULT_TOO_LARGE,
    }
)
"""Reasons that make an attempt's span one of an error."""

ENDS = frozenset({"task.settled", "write.refused", "lease.lost"})
"""Events that tell what became of an attempt; all but the first, that it has lost its claim."""

_W3C = TraceContextTextMapPropagator()


class SentSpan:
    """A submit's span."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.traceparent = _traceparent(span) or ""

    def accepted(self, tasks: Sequence[Task]) -> None:
        """See Sending."""
        queues = {task.queue for task in tasks}
        if len(queues) == 1:
            queue = queues.pop()
            self._span.update_name(f"send {queue}")
            self._span.set_attribute("messaging.destination.name", queue)
        if len(tasks) == 1:
            self._span.set_attribute("messaging.message.id", str(tasks[0].id))
            self._span.set_attribute("duly.task.type", tasks[0].type)
        else:
            self._span.set_attribute("messaging.batch.message_count", len(tasks))


class Traces:
    """See Tracing. Which spans are kept, and where they go, is the tracer provider's business."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("duly", version("duly"), schema_url=SCHEMA)
        self._attempts: dict[tuple[object, object], Span] = {}
        """By task and attempt: who tells of an attempt's end is not always in its span."""

    def current(self) -> str | None:
        """See Tracing."""
        return _traceparent(trace.get_current_span())

    @contextmanager
    def sending(self, given: str | None) -> Iterator[SentSpan]:
        """See Tracing. What goes wrong is named by its class alone: its text may hold what a client sent."""
        attributes = _operation("send")
        with self._tracer.start_as_current_span(
            "send",
            _above(given),
            SpanKind.PRODUCER,
            attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield SentSpan(span)
            except Exception as error:
                _mark_failed(span, type(error).__qualname__)
                raise

    @contextmanager
    def processing(self, task: Task) -> Iterator[None]:
        """See Tracing. The wait's length is the database's; it is put before the moment at which the attempt begins."""
        parent = _remote(task.traceparent)
        about = _about(task)
        now = time_ns()
        waited = max(((task.started_at or task.run_at) - task.run_at) // timedelta(microseconds=1), 0) * 1_000
        wait = self._tracer.start_span(f"wait {task.queue}", parent, attributes=about, start_time=now - waited)
        wait.end(now)
        sent = trace.get_current_span(parent).get_span_context()
        with self._tracer.start_as_current_span(
            f"process {task.queue}",
            parent if sent.is_valid else trace.set_span_in_context(wait, Context()),
            SpanKind.CONSUMER,
            about | _operation("process"),
            [Link(sent)] if sent.is_valid else None,
            start_time=now,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            self._attempts[str(task.id), task.attempt] = span
            try:
                yield
            finally:
                self._attempts.pop((str(task.id), task.attempt), None)

    @contextmanager
    def inside(self, traceparent: str | None) -> Iterator[None]:
        """See Tracing."""
        token = context.attach(_remote(traceparent))
        try:
            yield
        finally:
            context.detach(token)

    def telling(self, emit: Emit) -> Emit:
        """See Tracing."""

        def tell(name: str, facts: Mapping[str, object]) -> None:
            span = self._attempts.pop((facts["task"], facts["attempt"]), None) if name in ENDS else None
            if span is not None:  # once: a handler that outlives its time-out has its outcome refused later
                _end(span, facts) if name == "task.settled" else _mark_failed(span, "claim_lost")
            emit(name, facts)

        return tell

    def flush(self, longest: timedelta) -> None:
        """See Tracing. In a thread that nobody waits for: a collector that is away is tried for half a minute."""
        flush = getattr(trace.get_tracer_provider(), "force_flush", None)
        if flush is not None:
            thread = Thread(target=flush, name="duly-flush", daemon=True)
            thread.start()
            thread.join(longest.total_seconds())


def add_trace_ids(_logger: WrappedLogger, _method: str, facts: EventDict) -> EventDict:
    """Put the ids of the span that a line is written in on the line, if there is one."""
    found = trace.get_current_span().get_span_context()
    if found.is_valid:
        facts["trace_id"] = trace.format_trace_id(found.trace_id)
        facts["span_id"] = trace.format_span_id(found.span_id)
    return facts


def _above(given: str | None) -> Context:
    """What a submit's span lies below: the nearest span that there is of the trace that the submitter is in."""
    here, there = context.get_current(), _remote(given)
    ours, theirs = (trace.get_current_span(one).get_span_context() for one in (here, there))
    return there if theirs.is_valid and theirs.trace_id != ours.trace_id else here


def _remote(traceparent: str | None) -> Context:
    """A context of nothing but that span; an empty one where there is none."""
    return _W3C.extract({} if traceparent is None else {"traceparent": traceparent}, Context())


def _traceparent(span: Span) -> str | None:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent")


def _operation(name: str) -> dict[str, str | int]:
    return {"messaging.system": SYSTEM, "messaging.operation.name": name, "messaging.operation.type": name}


def _about(task: Task) -> dict[str, str | int]:
    return {
        "messaging.destination.name": task.queue,
        "messaging.message.id": str(task.id),
        "messaging.client.id": str(task.worker),
        "duly.task.type": task.type,
        "duly.task.attempt": task.attempt,
    }


def _end(span: Span, facts: Mapping[str, object]) -> None:
    span.set_attribute("duly.task.outcome", str(facts["outcome"]))
    reason = facts.get("reason")
    if reason is not None:
        span.set_attribute("duly.task.reason", str(reason))
    if reason in FAULTS:
        _mark_failed(span, str(facts.get("error_type") or reason))


def _mark_failed(span: Span, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))
