"""Traces in Celery workers: each process of the pool makes them, set up after the fork."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.brokers.fleet import a_fleet
from tests.support.processes import eventually
from tests.support.servers import RedisServer, ended


@contextmanager
def collecting(names: set[str]) -> Iterator[str]:
    """The address of a collector that notes the names of spans."""

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            for part in ExportTraceServiceRequest.FromString(body).resource_spans:
                names.update(span.name for scope in part.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.full
@pytest.mark.mistake(19)
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_celery_worker_sends_the_spans_of_its_tasks(tmp_path, pool):
    names: set[str] = set()
    server = RedisServer(tmp_path)
    with ended(server), a_fleet(tmp_path, f"celery+{server.url}") as fleet, collecting(names) as url:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "200", "DULY_LOG_FORMAT": "json"}
        with fleet.worker("-P", pool, "-c", "2", **traced) as worker:
            fleet.scene.final(fleet.scene.one("quick", number=7))
            eventually(lambda: {"wait default", "process default"} <= names, within=60)
            log = worker.log.read_text()

    (settled,) = [line for line in log.splitlines() if '"task.settled"' in line]
    assert '"trace_id"' in settled
