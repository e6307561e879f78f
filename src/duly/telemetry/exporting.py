"""OpenTelemetry's SDK, set up by its own environment variables."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from duly.domain.errors import Misconfigured

EXPORTERS = "opentelemetry_traces_exporter"
"""The group of entry points under which exporters are found."""

OTLP = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


def provide(environment: Mapping[str, str]) -> None:
    """Make the process's tracer provider: sampler, resource, limits and batching are read by the SDK itself.

    Raises Misconfigured when an exporter is not installed. What is left at the process's end is sent by ``flush``: the
    SDK itself would hold up the end for half a minute when the collector is away.
    """
    provider = TracerProvider(resource=_resource(environment), shutdown_on_exit=False)
    names = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    for name in (part.strip() for part in names.split(",")):
        exporter = _exporter(OTLP[_protocol(environment)] if name == "otlp" else name)
        provider.add_span_processor(BatchSpanProcessor(exporter()))
    trace.set_tracer_provider(provider)


def _exporter(name: str) -> type:
    for found in entry_points(group=EXPORTERS, name=name):
        loaded: type = found.load()
        return loaded
    raise Misconfigured(f"OTEL_TRACES_EXPORTER: no exporter of the name {name} is installed.")


def _protocol(environment: Mapping[str, str]) -> str:
    own = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
    name = own or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    if name not in OTLP:
        raise Misconfigured(f"OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf or grpc, not {name}.")
    return name


def _resource(environment: Mapping[str, str]) -> Resource:
    """What the SDK reads from the environment, under the name ``duly`` where that names none."""
    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {"service.name": "duly"})
