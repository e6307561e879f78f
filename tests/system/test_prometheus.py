"""A real Prometheus scrapes a running service with the alert rules: one alert fires, and clears."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from duly.client import Client
from tests.observe.queries import RULES
from tests.support.processes import eventually
from tests.support.servers import free_port, missing
from tests.support.service import a_place, answers

pytestmark = [pytest.mark.system, pytest.mark.full, pytest.mark.timeout(400)]

ALERT = "DulyQueueWithoutWorker"


class Prometheus:
    """One that looks every second."""

    def __init__(self, port: int) -> None:
        self._api = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, path: str, **parameters: str) -> dict[str, object]:
        try:
            answer = httpx.get(f"{self._api}/{path}", params=parameters, timeout=5).raise_for_status()
        except httpx.HTTPError:
            return {}
        return answer.json()["data"]

    def scrapes(self) -> bool:
        targets = self.ask("targets").get("activeTargets", [])
        return bool(targets) and all(target["health"] == "up" for target in targets)

    def alert(self) -> dict[str, object] | None:
        """The alert, if it is pending or firing."""
        found = self.ask("alerts").get("alerts", [])
        return next((alert for alert in found if alert["labels"]["alertname"] == ALERT), None)

    def value(self, query: str) -> float | None:
        found = self.ask("query", query=query).get("result", [])
        return float(found[0]["value"][1]) if found else None


@contextmanager
def prometheus(folder: Path, *targets: int) -> Iterator[Prometheus]:
    program = shutil.which("prometheus") or missing("prometheus is not there: install it.")
    addresses = [f"127.0.0.1:{target}" for target in targets]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "duly", "static_configs": [{"targets": addresses}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    options = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}")
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [program, *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(30)


def test_a_queue_without_a_worker_raises_the_alarm_until_one_comes(tmp_path):
    place = a_place(tmp_path)
    place.migrate()
    port, worker_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    with place.duly("api", "app:duly", "--port", str(port), "--processes", "2"):
        eventually(lambda: answers(url))
        with Client(url) as client, prometheus(tmp_path, port) as watching:
            eventually(watching.scrapes)
            calm = watching.alert()
            task = client.submit("text.reverse", {"text": "hello"})
            eventually(lambda: (watching.alert() or {}).get("state") == "firing")
            raised = watching.alert()
            with place.duly("worker", "app:duly", "--health-port", str(worker_port)):
                client.wait(task.id)
                eventually(lambda: watching.alert() is None)
                submitted = watching.value("sum(duly_submitted_tasks_total)")

    assert calm is None
    assert raised["labels"]["queue"] == "default"
    assert raised["annotations"]["runbook"] == "docs/operate/runbooks/queue-without-worker.md"
    assert submitted == 1
