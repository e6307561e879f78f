"""`/metrics` of real processes: several of them are one target."""

import os
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest

from duly.cli.metrics import delete_forgotten, offered
from duly.client import Client
from duly.domain.figures import Figures
from duly.settings import Settings
from tests.support.processes import eventually
from tests.support.scrape import samples
from tests.support.servers import free_port
from tests.support.service import Desk, a_place, answers

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

COMPLETED = ("duly_settled_attempts_total", "completed", "default", "text.reverse")
SUBMITTED = ("duly_submitted_tasks_total", "default", "text.reverse")


def url_of(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def scraped(port: int) -> dict[tuple[str, ...], float]:
    try:
        return samples(httpx.get(f"{url_of(port)}/metrics", timeout=10).raise_for_status().text)
    except httpx.HTTPError:
        return {}


@pytest.fixture
def place(tmp_path):
    place = a_place(tmp_path)
    place.migrate()
    return place


def test_whichever_api_process_is_asked_it_tells_of_all_and_the_ended_count_on(place):
    port = free_port()
    with place.duly("api", "app:duly", "--port", str(port), "--processes", "2") as api:
        eventually(lambda: answers(url_of(port)))
        eventually(lambda: scraped(port).get(("duly_processes",)) == 2)
        for _ in range(10):  # each on a connection of its own, so that both processes have some
            with Client(url_of(port)) as client:
                client.submit("text.reverse", {"text": "hello"})
        eventually(lambda: scraped(port).get(SUBMITTED) == 10)
        seen = [scraped(port)[SUBMITTED] for _ in range(5)]

        killed = psutil.Process(api.process.pid).children()[0]
        folder = Path(killed.environ()["DULY_METRICS_DIR"])
        there = folder.is_dir()
        killed.kill()
        eventually(lambda: api.said("child.died") and len(psutil.Process(api.process.pid).children()) == 2)
        eventually(lambda: scraped(port).get(SUBMITTED) == 10)
        api.stop(signal.SIGTERM)

    assert seen == [10.0] * 5
    assert (there, folder.is_dir()) == (True, False)


def test_worker_processes_are_one_target_on_their_health_port(place):
    port = free_port()
    with place.duly("worker", "app:duly", "--processes", "2", "--health-port", str(port)):
        eventually(lambda: scraped(port).get(("duly_processes",)) == 2)
        Desk(place).submit("text.reverse", {"text": "hello"})
        eventually(lambda: scraped(port).get(COMPLETED) == 1)
        found = scraped(port)

    assert found["duly_processes",] == 2
    assert found["duly_wait_seconds_count", "default", "text.reverse"] == 1
    assert found["duly_sweep_age_seconds",] < 20
    assert not [name for name in found if name[0] == "duly_queue_tasks"]


@pytest.mark.full
def test_a_single_worker_tells_of_itself(place):
    port = free_port()
    with place.duly("worker", "app:duly", "--health-port", str(port)):
        eventually(lambda: scraped(port).get(("duly_processes",)) == 1)
        form = httpx.get(f"{url_of(port)}/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})

    assert form.text.endswith("# EOF\n")


@pytest.mark.parametrize(("metrics", "offers"), [("auto", True), ("public", True), ("read", False), ("off", False)])
def test_a_health_port_which_asks_nobody_offers_no_metrics_where_keys_are_wanted(metrics, offers):
    async def figures() -> Figures:
        return {}

    assert (offered(Settings(metrics=metrics), figures) is not None) is offers


def test_folders_of_killed_parents_are_deleted_and_those_of_the_living_are_not(tmp_path):
    killed, living, other = (tmp_path / name for name in ("duly-metrics-a", "duly-metrics-b", "else"))
    long_ago = time.time() - 3600
    for folder in (killed, living, other):
        folder.mkdir()
        (folder / "one.json").write_text("{}")
        os.utime(folder / "one.json", None if folder is living else (long_ago, long_ago))
        os.utime(folder, (long_ago, long_ago))

    delete_forgotten(tmp_path)

    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["duly-metrics-b", "else"]


def test_dev_tells_of_api_and_worker_together(service):
    port = int(service.rpartition(":")[2])
    before = scraped(port)
    with Client(service) as client:
        client.result(client.submit("text.reverse", {"text": "hello"}).id)
        eventually(lambda: scraped(port).get(COMPLETED, 0) > before.get(COMPLETED, 0))

    assert scraped(port)[SUBMITTED] > before.get(SUBMITTED, 0)
