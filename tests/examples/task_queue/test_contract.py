"""What the example promises, line by line, anonymous and by JWT."""

import pytest

from tests.examples.task_queue.conftest import HINTS, SAMPLE, SECRET, WORKER, Scene, a_token
from tests.support.example import quickest_median, settled
from tests.support.processes import eventually

pytestmark = pytest.mark.system

SHARED_API = "uvicorn api-service.main:app --port {port}"
SHARED_WORKER = "duly worker handlers:duly"
FIELDS = ["task_id", "title", "description", "status", "metadata", "created_at", "updated_at", "completed_at"]


def test_a_submit_is_answered_with_the_tasks_id(scene: Scene):
    answer = scene.client.post("/api/tasks", json=SAMPLE)

    assert answer.status_code == 202
    assert answer.json() == {"task_id": answer.json()["task_id"], "message": "Task submitted successfully"}
    assert len(answer.json()["task_id"]) == 36


def test_a_task_is_completed_in_the_end(scene: Scene):
    task = scene.ended(task_id := scene.submit())

    assert list(task) == FIELDS
    assert {name: task[name] for name in SAMPLE} == SAMPLE
    assert (task["task_id"], task["status"]) == (task_id, "COMPLETED")
    assert task["created_at"].endswith("Z")


def test_the_row_and_the_result_are_committed_together(scene: Scene):
    scene.ended(task_id := scene.submit())

    [row] = scene.rows(f"SELECT title, status, completed_at FROM tasks WHERE id = '{task_id}'")  # noqa: S608
    result = scene.client.get(f"/v1/tasks/{task_id}/result").json()
    assert (row.title, row.status, row.completed_at is None) == ("Sample Task", "COMPLETED", False)
    assert result == {"words": 4, "keywords": ["sample", "task", "process", "something"]}


def test_metadata_may_be_left_out_and_stays_as_it_was_given(scene: Scene):
    body = {"title": "t", "description": "d"}
    left_out = scene.client.post("/api/tasks", json=body).json()["task_id"]
    odd = scene.submit(metadata={"owner": {"id": 7, "ünïcode": [None, 1.5]}})

    assert scene.client.get(f"/api/tasks/{left_out}").json()["metadata"] == {}
    assert scene.client.get(f"/api/tasks/{odd}").json()["metadata"] == {"owner": {"id": 7, "ünïcode": [None, 1.5]}}


@pytest.mark.parametrize("scene", ["anonymous"], indirect=True)
def test_priority_decides_who_of_those_that_wait_in_the_broker_is_run_first(scene: Scene):
    """It once failed: the worker was handed "low" before it knew of the pause, and so it was announced on its own."""
    scene.client.post("/v1/queues/default/pause")
    eventually(lambda: scene.in_broker("consumers") == 0, 30)
    scene.rabbit.control("purge_queue", HINTS)
    ids = [scene.submit(metadata={"priority": word}) for word in ("low", "normal", "high")]
    shown = [scene.client.get(f"/v1/tasks/{task_id}").json()["priority"] for task_id in ids]
    waiting = [scene.client.get(f"/api/tasks/{task_id}").json()["status"] for task_id in ids]
    eventually(lambda: scene.in_broker("messages_ready") == 3, 30)
    scene.client.post("/v1/queues/default/resume")

    done = [scene.ended(task_id)["completed_at"] for task_id in ids]

    assert (shown, waiting) == ([2, 5, 8], ["PENDING"] * 3)
    assert done == sorted(done, reverse=True)


def test_every_look_at_a_task_shows_one_moment(scene: Scene):
    """Row and state were once read one after the other: a task was completed before it was last updated."""
    looks = [scene.look(scene.submit())]
    while looks[-1]["status"] in ("PENDING", "PROCESSING"):
        looks.append(scene.look(looks[-1]["task_id"]))

    for look in looks:
        assert (look["completed_at"] is None) == (look["status"] in ("PENDING", "PROCESSING"))
        assert look["created_at"] <= look["updated_at"]
        assert (look["completed_at"] or look["updated_at"]) <= look["updated_at"]


@pytest.mark.parametrize(
    ("flaw", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": "x" * 256}, "/title"),
        ({"title": None}, "/title"),
        ({"description": ""}, "/description"),
        ({"description": "x" * 65_536}, "/description"),
        ({"metadata": {"priority": "urgent"}}, "/metadata/priority"),
        ({"metadata": ["high"]}, "/metadata"),
    ],
    ids=str,
)
def test_an_invalid_request_is_400_and_names_the_place(scene: Scene, flaw: dict[str, object], pointer: str):
    answer = scene.client.post("/api/tasks", json=SAMPLE | flaw)

    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (problem["status"], problem["code"]) == (400, "bad-request")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b'{"title": "t"}', b'\xff{"title": "t"}'])
def test_a_body_that_is_none_is_400(scene: Scene, body: bytes):
    answer = scene.client.post("/api/tasks", content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


def test_json_has_no_nan(scene: Scene):
    body = b'{"title": "t", "description": "d", "metadata": {"load": NaN}}'

    answer = scene.client.post("/api/tasks", content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


@pytest.mark.parametrize("task_id", ["01a204d4-0000-7000-8000-000000000000", "nowhere", "%00", "1 OR 1=1"])
def test_a_task_that_is_not_there_is_404(scene: Scene, task_id: str):
    answer = scene.client.get(f"/api/tasks/{task_id}")

    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_a_failing_insert_is_500_and_leaves_neither_row_nor_task(scene: Scene):
    counts = "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM duly_tasks)"
    before = scene.rows(counts)

    with scene.refusing("title <> 'doomed'"):
        answer = scene.client.post("/api/tasks", json=SAMPLE | {"title": "doomed"})

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert (answer.json()["code"], "doomed" in answer.text) == ("internal", False)
    assert scene.rows(counts) == before


def test_what_fails_is_retried_until_it_works(scene: Scene):
    with scene.refusing("title <> 'unlucky' OR status <> 'COMPLETED'"):
        task_id = scene.submit(title="unlucky")
        eventually(lambda: "retry_scheduled" in scene.kinds(task_id), 30)
        assert scene.client.get(f"/api/tasks/{task_id}").json()["status"] in ("PENDING", "PROCESSING")

    assert scene.ended(task_id)["status"] == "COMPLETED"


def test_a_cancelled_task_has_failed_and_never_stays_pending(scene: Scene):
    scene.client.post("/v1/queues/default/pause")
    task_id = scene.submit()
    scene.client.post(f"/v1/tasks/{task_id}/cancel")
    scene.client.post("/v1/queues/default/resume")

    task = scene.client.get(f"/api/tasks/{task_id}").json()

    assert (task["status"], task["completed_at"] is None) == ("FAILED", False)
    assert task["updated_at"] == task["completed_at"]


def test_a_task_whose_retention_is_over_is_shown_from_its_row(scene: Scene):
    scene.ended(task_id := scene.submit())
    assert scene.client.delete(f"/v1/tasks/{task_id}").status_code == 204

    task = scene.client.get(f"/api/tasks/{task_id}").json()

    assert (task["status"], task["completed_at"] is None) == ("COMPLETED", False)


def test_a_submit_is_answered_within_50_milliseconds_at_the_median(scene: Scene):
    """With the worker at rest, in one round of several: what else the machine does is no fault of the example's."""
    scene.client.post("/v1/queues/default/pause")

    median = quickest_median(scene.submit, 0.050)

    scene.client.post("/v1/queues/default/resume")
    assert median < 0.050


def test_who_must_say_who_they_are_is_asked(scene: Scene):
    tokens = ["", "nonsense", a_token(secret=SECRET[::-1]), a_token("tasks:read")]
    tries = [{"authorization": f"Bearer {token}"} if token else {} for token in tokens]

    with type(scene.client)(base_url=scene.client.base_url) as stranger:
        submitted = [stranger.post("/api/tasks", json=SAMPLE, headers=headers) for headers in tries]
        looked = stranger.get(f"/api/tasks/{scene.submit()}", headers=tries[-1])
        pages = [stranger.get(path).status_code for path in ("/health/live", "/health/ready", "/docs")]

    asked = "authorization" in scene.client.headers
    assert [answer.status_code for answer in submitted] == ([401, 401, 401, 403] if asked else [202] * 4)
    assert (looked.status_code, pages) == (200, [200, 200, 200])


def test_what_is_counted_is_told_to_prometheus(scene: Scene):
    scene.ended(scene.submit())

    assert "duly_submitted_tasks_total{" in scene.client.get("/metrics").text


@pytest.mark.parametrize("scene", ["anonymous"], indirect=True)
def test_the_curl_lines_of_the_readme_work(scene: Scene):
    assert scene.example.follow_readme("http://127.0.0.1:8000", scene.client.base_url) == 3


@pytest.mark.parametrize("scene", ["by JWT"], indirect=True)
def test_the_examples_own_tests_pass_beside_the_service(scene: Scene):
    """`docker compose exec api_service pytest`."""
    assert " passed" in scene.example.typed("pytest -q", TASKS_URL=str(scene.client.base_url))


@pytest.mark.parametrize("scene", ["by JWT"], indirect=True)
def test_a_broker_that_stops_and_comes_back_loses_no_task(scene: Scene):
    scene.rabbit.kill()
    without = [scene.submit() for _ in range(3)]
    assert [scene.ended(task_id)["status"] for task_id in without] == ["COMPLETED"] * 3

    scene.rabbit.start()

    again = scene.submit()
    assert settled(scene.client, f"/api/tasks/{again}", "COMPLETED")["status"] == "COMPLETED"


@pytest.mark.mistake(10)
def test_a_task_is_run_to_its_end_although_its_worker_is_killed(new_example):
    """RabbitMQ has long been told that the message was taken: the lease in the database guards the task."""
    with new_example(DULY_LEASE="1s") as (example, _), example.serving(SHARED_API) as client:
        path = f"/api/tasks/{client.post('/api/tasks', json=SAMPLE).json()['task_id']}"
        with example.started(SHARED_WORKER, DEMO_DELAY="60") as worker:
            settled(client, path, "PROCESSING")
            worker.kill()
        assert client.get(path).json()["status"] == "PROCESSING"

        with example.started(WORKER):
            task = settled(client, path, "COMPLETED", "FAILED")
        story = client.get(path.replace("/api/", "/v1/") + "/events").json()["events"]

    assert task["status"] == "COMPLETED"
    assert [event["kind"] for event in story] == ["submitted", "claimed", "lease_lost", "claimed", "completed"]
