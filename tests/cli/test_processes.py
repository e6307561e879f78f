"""The commands that run Duly, as real processes."""

import os
import signal
import time

import httpx
import psutil
import pytest

from duly.client import Client
from duly.domain.state import Reason, State
from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import Desk, a_place, answers

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def place(tmp_path):
    return a_place(tmp_path)


@pytest.fixture
def desk(place):
    """For submitting to a database that has its schema, and for looking at it."""
    place.migrate()
    return Desk(place)


def url_of(port):
    return f"http://127.0.0.1:{port}"


def children_of(running):
    return {child.pid for child in psutil.Process(running.process.pid).children() if child.status() != "zombie"}


def test_dev_serves_works_says_how_to_try_it_and_ends_quickly(place):
    port = free_port()
    with place.duly("dev", "app:duly", "--port", str(port)) as dev, Client(url_of(port)) as client:
        eventually(lambda: dev.said("Ctrl-C"))
        result = client.result(client.submit("text.reverse", {"text": "hello"}).id)
        children = children_of(dev)
        asked = time.monotonic()
        code = dev.stop(signal.SIGINT)

    assert result == "olleh"
    assert code == 0
    assert """curl -H 'content-type: application/json' -d '{"type": "t""" in dev.log.read_text()
    assert time.monotonic() - asked < 25
    assert not [pid for pid in children if psutil.pid_exists(pid)]
    assert "Traceback" not in dev.log.read_text()


def test_dev_starts_again_when_the_code_changes_and_waits_while_it_is_broken(place):
    port = free_port()
    app = place.folder / "app.py"
    good = app.read_text()
    with place.duly("dev", "app:duly", "--port", str(port)) as dev, Client(url_of(port)) as client:
        eventually(lambda: dev.said("Ctrl-C"))
        app.write_text("this is no Python")
        eventually(lambda: dev.said("child.awaiting_change"))
        app.write_text(good.replace("text[::-1]", "text.upper()"))
        eventually(lambda: answers(url_of(port)))

        assert client.result(client.submit("text.reverse", {"text": "hello"}).id) == "HELLO"


@pytest.mark.mistake(43)
def test_a_worker_that_is_stopped_finishes_what_it_runs(place, desk):
    file = place.folder / "held"
    task_id = desk.submit("test.hold", {"file": str(file)})
    with place.duly("worker", "app:duly") as worker:
        eventually(file.exists)
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        file.unlink()
        code = worker.process.wait(60)

    ended = desk.get(task_id)
    assert code == 0
    assert (ended.state, ended.result) == (State.COMPLETED, '"let go"')


@pytest.mark.mistake(43)
def test_a_worker_puts_back_uncharged_what_does_not_end_within_the_grace(place, desk):
    file = place.folder / "held"
    task_id = desk.submit("test.hold", {"file": str(file)})
    with place.duly("worker", "app:duly", DULY_GRACE="500ms") as worker:
        eventually(file.exists)
        code = worker.stop()

    put_back = desk.get(task_id)
    assert code == 0
    assert (put_back.state, put_back.reason, put_back.failures) == (State.PENDING, Reason.INTERRUPTED, 0)


def ended_by_another(worker):
    """Signal it once more: two that come at once count as one. Whether it has ended."""
    worker.process.send_signal(signal.SIGTERM)
    return worker.process.poll() is not None


@pytest.mark.mistake(43)
def test_a_second_signal_ends_a_worker_at_once(place, desk):
    file = place.folder / "held"
    desk.submit("test.hold", {"file": str(file)})
    with place.duly("worker", "app:duly") as worker:
        eventually(file.exists)
        asked = time.monotonic()
        eventually(lambda: ended_by_another(worker))
        code = worker.process.returncode

    assert code == 130
    assert time.monotonic() - asked < 20


def test_worker_processes_are_watched_over_and_tell_their_health(place, desk):
    port = free_port()
    with place.duly("worker", "app:duly", "--processes", "2", "--health-port", str(port)) as worker:
        eventually(lambda: answers(url_of(port)))
        before = children_of(worker)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: httpx.get(f"{url_of(port)}/health/ready").status_code == 503)
        eventually(lambda: answers(url_of(port)))
        after = children_of(worker)
        code = worker.stop()

    assert len(before) == len(after) == 2
    assert victim not in after
    assert code == 0


def test_the_health_of_one_worker_process_is_its_own(place, desk):
    port = free_port()
    with place.duly("worker", "app:duly", "--health-port", str(port)) as worker:
        eventually(lambda: answers(url_of(port)))
        statuses = {path: httpx.get(url_of(port) + path).status_code for path in ("/health/live", "/else")}
        posted = httpx.post(f"{url_of(port)}/health/live").status_code
        code = worker.stop()

    assert statuses == {"/health/live": 200, "/else": 404}
    assert posted == 405
    assert code == 0


def test_worker_processes_end_when_their_parent_is_killed(place, desk):
    with place.duly("worker", "app:duly", "--processes", "2") as worker:
        eventually(lambda: worker.log.read_text().count("worker.started") == 2)
        children = children_of(worker)
        worker.process.kill()
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in children))

    assert worker.log.read_text().count("worker.stopped") == 2


@pytest.mark.mistake(20)
def test_a_worker_process_that_has_done_its_share_is_replaced(place, desk):
    with place.duly("worker", "app:duly", DULY_MAX_TASKS_PER_PROCESS="1") as worker:
        first = desk.wait(desk.submit("text.reverse", {"text": "one"}))
        eventually(lambda: worker.said("child.recycled"))
        second = desk.wait(desk.submit("text.reverse", {"text": "two"}))
        code = worker.stop()

    assert (first.result, second.result, code) == ('"eno"', '"owt"', 0)
    assert first.worker != second.worker


def test_several_api_processes_share_one_port(place, desk):
    port = free_port()
    with (
        place.duly("api", "app:duly", "--port", str(port), "--processes", "2") as api,
        Client(url_of(port)) as client,
    ):
        eventually(lambda: answers(url_of(port)) and len(children_of(api)) == 2)
        client.submit("text.reverse", {"text": "one"})
        code = api.stop()

    assert code == 0
    assert "Traceback" not in api.log.read_text()


@pytest.mark.full
@pytest.mark.mistake(26)
def test_a_task_that_ends_its_worker_at_once_does_not_end_the_others(place, desk):
    """It may be the very first that a fresh process claims, before it has told its parent that it lives."""
    killer = desk.submit("test.exit", {})
    with place.duly("worker", "app:duly", "--processes", "2", DULY_LEASE="1s") as worker:
        ended = desk.wait(killer)
        other = desk.wait(desk.submit("text.reverse", {"text": "one"}))
        code = worker.stop()

    assert (ended.state, ended.reason) == (State.FAILED, Reason.POISON)
    assert (other.result, code) == ('"eno"', 0)
