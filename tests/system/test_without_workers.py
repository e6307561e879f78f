"""What a process that only submits does not do, and what becomes of work when every process dies at once."""

import json
import subprocess
import sys
import textwrap

import httpx
import pytest

from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import a_place, answers

pytestmark = pytest.mark.system

LOOKS = """
import asyncio, json, threading
before = threading.active_count()
import app

async def main():
    async with app.duly:
        task = await app.reverse.submit(text="a")
        alive = await app.duly.service.overview.workers()
        waiting = await app.duly.service.tasks.waiting([await task.task()])
        return {"workers": len(alive), "why": [why.reason for why in waiting], "state": await task.status()}

imported = threading.active_count() - before
print(json.dumps({"imported": imported} | asyncio.run(main())))
"""


@pytest.mark.mistake(41)
def test_importing_an_app_starts_nothing_and_opening_it_starts_no_worker(tmp_path):
    place = a_place(tmp_path)
    place.migrate()

    command = [sys.executable, "-c", textwrap.dedent(LOOKS)]
    done = subprocess.run(command, cwd=tmp_path, env=place.env, capture_output=True, text=True, timeout=60, check=True)

    assert json.loads(done.stdout) == {"imported": 0, "workers": 0, "why": ["no_worker"], "state": "pending"}


@pytest.mark.mistake(41)
def test_as_many_api_processes_as_there_are_run_no_task(tmp_path):
    place = a_place(tmp_path)
    place.migrate()
    url = f"http://127.0.0.1:{free_port()}"
    with place.duly("api", "app:duly", "--processes", "3", "--port", url.rpartition(":")[2]):
        eventually(lambda: answers(url))
        task = _post(url, {"type": "text.reverse", "payload": {"text": "a"}})
        seen = httpx.get(f"{url}/v1/tasks/{task['id']}", headers={"prefer": "wait=3"}, timeout=30, trust_env=False)
        workers = httpx.get(f"{url}/v1/workers", trust_env=False).json()

    assert (seen.json()["state"], seen.json()["attempt"], seen.json()["waiting"]["reason"]) == (
        "pending",
        0,
        "no_worker",
    )
    assert workers == {"workers": []}


@pytest.mark.mistake(32, 33)
def test_when_every_process_is_killed_at_once_a_worker_of_the_same_host_takes_the_work_back(tmp_path):
    """Nothing that died holds a lock or a name: the next worker is another one, and sweeps after one lease."""
    place, held = a_place(tmp_path), tmp_path / "held"
    place.migrate()
    url = f"http://127.0.0.1:{free_port()}"
    api = ("api", "app:duly", "--port", url.rpartition(":")[2])
    env = {"DULY_LEASE": "1s"}
    with place.duly(*api, **env) as first, place.duly("worker", "app:duly", **env) as lost:
        eventually(lambda: answers(url))
        task = _post(url, {"type": "test.hold", "payload": {"file": str(held)}})
        eventually(held.exists)
        first.process.kill()
        lost.process.kill()
    held.unlink()
    with place.duly(*api, **env), place.duly("worker", "app:duly", **env):
        eventually(lambda: answers(url))
        eventually(held.exists)
        held.unlink()
        eventually(lambda: _get(url, task)["state"] == "completed")
        story = httpx.get(f"{url}/v1/tasks/{task['id']}/events", trust_env=False).json()["events"]

    done = _get_from(story, "completed")
    gone = _get_from(story, "lease_lost")
    assert (done["attempt"], gone["attempt"]) == (2, 1)
    assert done["worker"] != gone["worker"]
    assert done["worker"].partition(":")[0] == gone["worker"].partition(":")[0]


def _post(url, body):
    return httpx.post(f"{url}/v1/tasks", json=body, trust_env=False, timeout=30).json()


def _get(url, task):
    return httpx.get(f"{url}/v1/tasks/{task['id']}", trust_env=False, timeout=30).json()


def _get_from(story, kind):
    return next(event for event in story if event["kind"] == kind)
