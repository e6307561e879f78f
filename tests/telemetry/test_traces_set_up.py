"""Traces are set up by OpenTelemetry's own variables, in every process of a service; else nothing of it is there."""

import asyncio
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from threading import Event

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import SpanProcessor

from duly.telemetry.traces import Traces
from duly.telemetry.tracing import open_tracing, wanted
from tests.support.processes import eventually
from tests.support.receiver import Receiver, receiving
from tests.support.servers import free_port
from tests.support.service import Place, a_place, answers
from tests.support.telling import Told

APP = """
from opentelemetry import trace

from duly import Duly

duly = Duly()


@duly.task(executor="process")
def far_away() -> str:
    with trace.get_tracer("mine").start_as_current_span("far away itself"):
        return "done"
"""

LOADED = """
import sys
import asyncio
from duly import Duly, Settings
from duly.assembly import migrate
from duly.client import Client

async def main():
    settings = Settings(database_url="sqlite:///quiet.db")
    await migrate(settings)
    duly = Duly(settings)

    @duly.task
    async def echo(text: str) -> str:
        return text

    async with duly:
        await echo.submit(text="a")
        stop = asyncio.Event()
        stop.set()
        await duly.work(stop)

asyncio.run(main())
OURS = ("opentelemetry.sdk", "opentelemetry.exporter", "duly.telemetry.traces")
print([name for name in sys.modules if name.startswith(OURS)])
"""


class Stuck(SpanProcessor):
    """Cannot get rid of its spans."""

    def __init__(self, over: Event) -> None:
        self._over = over

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._over.wait(timeout_millis / 1000)


def names_in(receiver: Receiver) -> dict[str, str]:
    """The spans that have come, by name, each with the service that made it."""
    found: dict[str, str] = {}
    for call in receiver.calls:
        for part in ExportTraceServiceRequest.FromString(call.body).resource_spans:
            (service,) = [one.value.string_value for one in part.resource.attributes if one.key == "service.name"]
            found |= {span.name: service for scope in part.scope_spans for span in scope.spans}
    return found


def served_and_ended(place: Place, **env: str) -> str:
    """Serve, have one task done, and end. What was logged."""
    url = f"http://127.0.0.1:{free_port()}"
    with place.duly("dev", "app:duly", "--port", url.rpartition(":")[2], **env) as running:
        eventually(lambda: answers(url) and running.said("Try it"))
        asked = httpx.post(
            f"{url}/v1/tasks", json={"type": "far_away", "payload": {}}, headers={"prefer": "wait=30"}, timeout=60
        )
        assert asked.json()["state"] == "completed", asked.text
        assert running.stop() == 0
        return running.log.read_text()


@pytest.mark.system
async def test_all_processes_of_a_service_send_their_spans_before_they_end(tmp_path: Path) -> None:
    place = a_place(tmp_path, APP)
    async with receiving(200) as collector:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}", "DULY_LOG_FORMAT": "json"}
        log = await asyncio.to_thread(served_and_ended, place, **endpoint)

    wanted = ("POST /v1/tasks", "send default", "wait default", "process default", "far away itself")
    assert dict.fromkeys(wanted, "duly").items() <= names_in(collector).items()
    (settled,) = [line for line in log.splitlines() if "task.settled" in line]
    assert '"trace_id":' in settled


def test_spans_that_cannot_be_sent_are_waited_for_no_longer_than_said(spans):
    """The SDK's own end waits for half a minute when its collector is away."""
    never = Event()
    trace.get_tracer_provider().add_span_processor(Stuck(never))
    begun = time.monotonic()

    Traces().flush(timedelta(milliseconds=50))

    assert time.monotonic() - begun < 20
    never.set()


@pytest.mark.full
@pytest.mark.system
def test_a_collector_that_is_away_holds_up_neither_tasks_nor_the_end(tmp_path: Path) -> None:
    place = a_place(tmp_path, APP)

    log = served_and_ended(place, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")

    assert "task.settled" in log


@pytest.mark.system
def test_nothing_of_it_is_imported_where_nobody_asks_for_it(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )

    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_EXPORTER": "console"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"},
    ],
)
def test_traces_are_made_where_the_environment_names_a_place_for_them(environment):
    assert wanted(environment)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": ""},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_METRICS_EXPORTER": "otlp"},
    ],
)
def test_otherwise_there_are_none(environment):
    assert not wanted(environment)


def test_the_providers_own_switch_turns_off_what_an_application_has_set_up(spans):
    assert wanted({})
    assert not wanted({"OTEL_SDK_DISABLED": "true"})


@pytest.mark.parametrize(
    "asked", [{"OTEL_TRACES_EXPORTER": "carrier-pigeon"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}]
)
async def test_what_cannot_be_set_up_is_told_and_stops_nothing(asked, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    told = Told()

    assert open_tracing(told) is None
    ((name, _),) = told.events
    assert name == "traces.unavailable"
