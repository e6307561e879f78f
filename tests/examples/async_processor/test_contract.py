"""The contract of `examples/async_processor`, line by line, on its real parts."""

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid4

import jwt
import pytest

from tests.examples.async_processor.conftest import API
from tests.support.example import quickest_median, settled
from tests.support.processes import eventually

pytestmark = pytest.mark.system

SECRET = "a secret of the test, of 32 or more characters"  # noqa: S105
SUM = 499_999_500_000
MOST_SECONDS = 0.050
"""A submit is answered in so long, at the median."""


def test_it_says_that_it_is_healthy(processor):
    answer = processor.client.get("/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


@pytest.mark.parametrize(
    "body", [b'{"data": {"input": 42, "operation": "compute"}}', b'{"data": {"any": [1]}}', b"{}", b""]
)
def test_a_task_is_accepted_and_adds_up_the_numbers_below_a_million(processor, worker, body):
    accepted = processor.client.post("/process", content=body, headers={"content-type": "application/json"})
    task_id = accepted.json()["task_id"]
    done = settled(processor.client, f"/results/{task_id}", "completed")

    assert accepted.json() == {"task_id": task_id, "status": "pending", "message": "Task queued for processing"}
    assert done.keys() == {"task_id", "status", "result", "error_message", "created_at", "completed_at"}
    assert (done["task_id"], done["result"], done["error_message"]) == (task_id, SUM, None)
    assert datetime.fromisoformat(done["created_at"]) < datetime.fromisoformat(done["completed_at"])


def test_the_table_has_the_columns_of_the_contract_and_the_row_its_result(processor, worker):
    task_id = processor.submit()
    settled(processor.client, f"/results/{task_id}", "completed")
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'tasks' ORDER BY 1"
    row = processor.database.execute("SELECT status, result FROM tasks WHERE task_id = %s", [task_id]).fetchone()

    assert row == ("completed", SUM)
    assert processor.database.execute(columns).fetchall() == [
        ("completed_at", "timestamp with time zone"),
        ("created_at", "timestamp with time zone"),
        ("error_message", "text"),
        ("result", "bigint"),
        ("status", "character varying"),
        ("task_id", "uuid"),
    ]


def test_a_submit_is_answered_within_50_milliseconds_at_the_median(processor, worker_standing_still):
    median = quickest_median(processor.submit, MOST_SECONDS)
    worker_standing_still()
    processor.rows.drain()

    assert median < MOST_SECONDS


@pytest.mark.mistake(1)
def test_a_row_that_the_database_refuses_leaves_no_task(processor):
    before = processor.rows.count("tasks"), processor.rows.count("duly_tasks")
    with processor.rows.refusing("status <> 'pending'"):
        answer = processor.client.post("/process")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert (processor.rows.count("tasks"), processor.rows.count("duly_tasks")) == before


@pytest.mark.parametrize(
    ("line", "body", "status", "code"),
    [
        (f"GET /results/{NAMESPACE_URL}", None, 404, "not-found"),
        ("GET /results/no-id", None, 404, "not-found"),
        ("GET /nowhere", None, 404, "not-found"),
        ("POST /process", b"{", 400, "bad-request"),
        ("POST /process", b'{"data": "text"}', 422, "invalid"),
        ("POST /process", b'{"data": {"operation": "destroy"}}', 422, "invalid"),
        ("DELETE /process", None, 405, "method-not-allowed"),
    ],
)
def test_an_error_is_a_problem_document(processor, line, body, status, code):
    answer = processor.client.request(*line.split(), content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (answer.json()["status"], answer.json()["code"]) == (status, code)


@pytest.mark.mistake(30)
def test_a_celery_worker_that_is_killed_in_mid_task_has_it_run_again_by_another(processor, worker_standing_still):
    with processor.worker(DEMO_DELAY="60") as slow:
        task_id = processor.submit()
        eventually(lambda: processor.client.get(f"/v1/tasks/{task_id}").json()["state"] == "running")
        slow.kill()
    assert processor.client.get(f"/results/{task_id}").json()["status"] == "pending"
    worker_standing_still()

    assert settled(processor.client, f"/results/{task_id}", "completed")["result"] == SUM
    assert processor.client.get(f"/v1/tasks/{task_id}").json()["attempt"] == 2


@pytest.mark.mistake(26)
def test_a_task_is_tried_three_times_then_failed_and_may_be_redriven(processor, worker):
    with processor.rows.refusing("status <> 'completed'"):
        task_id = processor.submit()
        failed = settled(processor.client, f"/results/{task_id}", "failed")
        dead = processor.client.get("/v1/tasks", params={"state": "failed"}).json()["tasks"]
        row = processor.database.execute("SELECT status, error_message FROM tasks WHERE task_id = %s", [task_id])
        assert [("refusing" in message, status) for status, message in row.fetchall()] == [(True, "failed")]
    redriven = processor.client.post("/v1/tasks/retry", json={"filter": {"state": "failed"}}).json()

    assert (failed["result"], "refusing" in failed["error_message"]) == (None, True)
    assert [(task["id"], task["failures"]) for task in dead] == [(task_id, 3)]
    assert redriven["retried"] == 1
    assert settled(processor.client, f"/results/{task_id}", "completed")["result"] == SUM


@pytest.mark.mistake(34)
def test_without_celerys_broker_tasks_are_accepted_and_run_when_it_is_back(processor, worker):
    processor.broker.kill()
    try:
        task_id = processor.submit()
        assert processor.client.get(f"/results/{task_id}").json()["status"] == "pending"
    finally:
        processor.broker.start()

    assert settled(processor.client, f"/results/{task_id}", "completed")["result"] == SUM


@pytest.mark.mistake(36)
def test_results_are_read_from_redis_and_without_it_from_the_database(processor, worker):
    task_id = processor.submit()
    known = settled(processor.client, f"/results/{task_id}", "completed")
    key = f"duly:task:{UUID(task_id).hex}"
    eventually(lambda: str(SUM).encode() in (processor.redis.get(key) or b""))
    assert 50 < processor.redis.ttl(key) <= 60

    processor.cache.kill()
    try:
        assert processor.client.get(f"/results/{task_id}").json() == known
    finally:
        processor.cache.start()


def test_what_was_cancelled_or_has_been_purged_does_not_stay_pending(processor, worker_standing_still):
    cancelled, done = processor.submit(), processor.submit()
    processor.client.post(f"/v1/tasks/{cancelled}/cancel").raise_for_status()
    settled(processor.client, f"/results/{cancelled}", "failed")
    worker_standing_still()
    settled(processor.client, f"/results/{done}", "completed")
    for task_id in (cancelled, done):
        processor.client.delete(f"/v1/tasks/{task_id}").raise_for_status()
    after = [processor.client.get(f"/results/{task_id}").json() for task_id in (cancelled, done)]

    assert [(task["status"], task["result"]) for task in after] == [("failed", None), ("completed", SUM)]


def test_one_id_is_on_the_answer_in_the_task_and_in_the_logs_of_both_processes(processor, worker):
    name = f"correlated-{uuid4().hex}"
    task_id = processor.submit(**{"x-request-id": name})
    settled(processor.client, f"/results/{task_id}", "completed")

    eventually(lambda: any(name in line and '"task.settled"' in line for line in worker.log.read_text().splitlines()))
    assert processor.client.get("/health", headers={"x-request-id": name}).headers["x-request-id"] == name


def test_prometheus_and_autoscalers_are_told_how_much_waits(processor, worker_standing_still):
    processor.submit()
    stats = processor.client.get("/v1/stats", params={"queues": "default"}).json()["queues"]

    assert [(queue["name"], queue["pending"]) for queue in stats] == [("default", 1)]
    eventually(lambda: 'duly_queue_tasks{queue="default",state="pending"} 1' in processor.client.get("/metrics").text)
    worker_standing_still()
    processor.rows.drain()


def test_one_setting_asks_everybody_for_a_token_and_another_limits_them(processor, worker):
    claims = {"sub": "me", "exp": datetime.now(UTC) + timedelta(minutes=5), "scope": "tasks:submit tasks:read"}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    with processor.example.serving(API, DULY_JWT_SECRET=SECRET, DULY_LIMIT_SUBMIT="2/1h") as client:
        nobody = [client.post("/process"), client.get(f"/results/{uuid4()}"), client.get("/metrics")]
        client.headers["authorization"] = f"Bearer {token}"
        answers = [client.post("/process") for _ in range(3)]

        assert [answer.status_code for answer in nobody] == [401, 401, 401]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["code"] == "too-many"
        assert settled(client, f"/results/{answers[0].json()['task_id']}", "completed")["result"] == SUM


def test_its_script_says_what_passed(processor, worker):
    """How quick a submit is has a test of its own, in which no worker takes the processor meanwhile."""
    printed = processor.example.typed(f"python test_async_processor.py {processor.client.base_url}", WITHIN="5")

    assert "FAILED" not in printed
    assert printed.count("passed") == 8


def test_the_lines_of_the_readme_work_as_they_are_written(processor, worker):
    assert processor.example.follow_readme("http://127.0.0.1:8000", processor.client.base_url) == 4
