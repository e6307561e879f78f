"""Whether this process makes traces. Where it does not, nothing of OpenTelemetry is imported or called."""

import os
import sys
from collections.abc import Mapping

from structlog.typing import Processor

from duly.domain.errors import Misconfigured
from duly.ports.telemetry import Emit, Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTER = "OTEL_TRACES_EXPORTER"


def open_tracing(emit: Emit) -> Tracing | None:
    """Traces by the provider that the application has set, else by one made from OpenTelemetry's own variables.

    None: nobody wants traces, or what they take is not installed, which is told and no reason to stop. To be called
    after a fork, never before: an exporter has a thread.
    """
    if not wanted(os.environ):
        return None
    try:
        from duly.telemetry.traces import Traces  # noqa: PLC0415  # an optional library

        if not provided():
            from duly.telemetry.exporting import provide  # noqa: PLC0415  # an optional library

            provide(os.environ)
    except (ModuleNotFoundError, Misconfigured) as error:
        emit("traces.unavailable", {"error": str(error), "remedy": "pip install 'duly[otel]'"})
        return None
    return Traces()


def trace_child() -> Tracing:
    """Traces in a process that runs one task for a parent which makes traces.

    A provider that the parent's application has set may be missing here: then no spans are made, but the attempt's span
    is there, to be handed on.
    """
    from duly.telemetry.traces import Traces  # noqa: PLC0415  # an optional library

    return open_tracing(_untold) or Traces()


def trace_processors() -> list[Processor]:
    """What puts trace ids on log lines, for the set-up of the log; nothing where there are no traces."""
    if not wanted(os.environ):
        return []
    try:
        from duly.telemetry.traces import add_trace_ids  # noqa: PLC0415  # an optional library
    except ModuleNotFoundError:
        return []
    return [add_trace_ids]


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment names a place for traces, or the application has set a tracer provider."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get(EXPORTER, "").strip().lower()
    if exporter == "none":
        return provided()
    return bool(exporter) or any(environment.get(name) for name in ENDPOINTS) or provided()


def _untold(_name: str, _facts: Mapping[str, object]) -> None:
    """The parent has told it already."""


def provided() -> bool:
    """Whether the application has set a tracer provider.

    Whoever has set a provider has loaded the library; it must not be loaded to find out.
    """
    module = sys.modules.get("opentelemetry.trace")
    if module is None:
        return False
    return not isinstance(module.get_tracer_provider(), module.ProxyTracerProvider | module.NoOpTracerProvider)
