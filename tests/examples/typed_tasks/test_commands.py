"""The example's other commands, and what becomes of a task whose worker is lost."""

from collections.abc import Iterator

import psutil
import pytest

from tests.support.example import Example, an_example, settled
from tests.support.processes import eventually

SHARED_API = "uvicorn app.main:app --port {port}"
SHARED_WORKER = "duly worker app.handlers:duly --processes 2"

pytestmark = pytest.mark.system


@pytest.fixture
def example(tmp_path) -> Iterator[Example]:
    example = an_example("typed_tasks", tmp_path)
    (example.folder / ".env").write_text((example.folder / ".env.example").read_text())
    return example


def test_a_task_is_run_to_its_end_although_its_worker_is_killed(example: Example):
    """Both processes of the worker, in mid-task and without a word; new ones take their place."""
    env = {"TASKS_DEMO_DELAY": "0.1", "DULY_LEASE": "1s"}
    with example.serving(SHARED_API, **env) as client, example.started(SHARED_WORKER, **env) as worker:
        body = {"task_type": "batch_processing", "payload": {"items": ["one two"] * 20}}
        path = f"/tasks/{client.post('/tasks/', json=body).json()['id']}"
        eventually(lambda: client.get(path).json().get("progress"), 30)
        for process in psutil.Process(worker.pid).children(recursive=True):
            process.kill()

        task = settled(client, path, "completed", "failed")

    assert (task["status"], task["retries"], task["result"]["words"]) == ("completed", 1, 40)


def test_the_examples_own_tests_pass_in_its_folder(example: Example):
    assert " passed" in example.typed("python -m pytest -q tests/", within=300)


def test_it_refuses_to_serve_the_network_where_nobody_is_asked(example: Example):
    refused = example.typed("DULY_HOST=0.0.0.0 DULY_ALLOW_ANONYMOUS=false python -m app.main 2>&1 || echo refused")

    assert "so Duly listens on loopback only" in refused
    assert refused.endswith("refused\n")
