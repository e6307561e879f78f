"""The contract of `examples/reversal`, line by line, on its real parts."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import jwt
import pytest

from tests.examples.reversal.conftest import API
from tests.support.example import quickest_median, settled
from tests.support.forwarding import a_wire
from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import answers

pytestmark = pytest.mark.system

SECRET = "a secret of the test, of 32 or more characters"  # noqa: S105
MOST_SECONDS = 0.050
"""A submit is answered in so long, at the median."""


@pytest.mark.parametrize("path", ["/tasks/", "/tasks"])
def test_a_text_is_accepted_and_turned_round(reversal, worker, path):
    accepted = reversal.client.post(path, json={"input_data": "hello"})
    number = accepted.json()["id"]

    assert (accepted.status_code, accepted.json()) == (201, {"id": number, "status": "PENDING", "result": None})
    assert settled(reversal.client, f"/tasks/{number}", "COMPLETED") == {
        "id": number,
        "status": "COMPLETED",
        "result": "olleh",
    }


def test_a_submit_is_answered_within_50_milliseconds_at_the_median(reversal, worker_standing_still):
    median = quickest_median(reversal.submit, MOST_SECONDS)
    worker_standing_still()
    reversal.rows.drain()

    assert median < MOST_SECONDS


@pytest.mark.mistake(1)
def test_a_row_that_the_database_refuses_leaves_no_task(reversal):
    before = reversal.rows.count("tasks"), reversal.rows.count("duly_tasks")
    with reversal.rows.refusing("input_data <> 'refused'"):
        answer = reversal.client.post("/tasks/", json={"input_data": "refused"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert (reversal.rows.count("tasks"), reversal.rows.count("duly_tasks")) == before


@pytest.mark.parametrize(
    ("line", "body", "status", "code"),
    [
        ("GET /tasks/999999999", None, 404, "not-found"),
        ("GET /nowhere", None, 404, "not-found"),
        ("GET /tasks/abc", None, 422, "invalid"),
        ("GET /tasks/9223372036854775808", None, 422, "invalid"),
        ("POST /tasks/", b"{", 400, "bad-request"),
        ("POST /tasks/", b"{}", 422, "invalid"),
        ("POST /tasks/", b'{"input_data": 7}', 422, "invalid"),
        ("POST /tasks/", b'{"input_data": "x", "more": 1}', 422, "invalid"),
        ("POST /tasks/", rb'{"input_data": "\u0000"}', 422, "invalid"),
        ("POST /tasks/", rb'{"input_data": "\ud800"}', 422, "invalid"),
        ("DELETE /tasks/1", None, 405, "method-not-allowed"),
    ],
)
def test_an_error_is_a_problem_document(reversal, line, body, status, code):
    answer = reversal.client.request(*line.split(), content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (answer.json()["status"], answer.json()["code"]) == (status, code)
    assert len(answer.headers["x-request-id"]) == 32


def test_a_flaw_is_named_by_its_place(reversal):
    answer = reversal.client.post("/tasks/", json={"input_data": 7})

    assert [flaw["pointer"] for flaw in answer.json()["errors"]] == ["/input_data"]


def test_the_page_of_the_api_shows_the_routes(reversal):
    assert "swagger" in reversal.client.get("/docs").text
    assert {"/tasks/", "/tasks/{number}", "/v1/tasks"} <= reversal.client.get("/openapi.json").json()["paths"].keys()


def test_a_text_comes_back_as_it_was_given(reversal, worker):
    path = reversal.submit('\u202e"\\ \n\t 日本語 ')

    assert settled(reversal.client, path, "COMPLETED")["result"] == ' 語本日 \t\n \\"\u202e'


@pytest.mark.mistake(30)
def test_a_worker_that_is_killed_in_mid_task_has_it_run_again_by_another(reversal, worker_standing_still):
    with reversal.worker(DEMO_DELAY="60") as slow:
        path = reversal.submit()
        settled(reversal.client, path, "PROCESSING")
        slow.kill()
    worker_standing_still()

    assert settled(reversal.client, path, "COMPLETED")["result"] == "olleh"


def test_only_rabbitmq_tells_a_worker_that_hears_no_bell_and_seldom_looks(reversal, worker_standing_still):
    with reversal.worker(DULY_BELL_URL="none", DULY_POLL_INTERVAL="1h"):
        assert settled(reversal.client, reversal.submit(), "COMPLETED")["result"] == "olleh"


@pytest.mark.mistake(34)
def test_without_rabbitmq_tasks_are_accepted_and_run_all_the_same(reversal, worker):
    reversal.wire.cut()
    try:
        during = settled(reversal.client, reversal.submit(), "COMPLETED")
    finally:
        reversal.wire.mend()

    assert during["result"] == "olleh"


def submitted_and_kept(reversal) -> UUID:
    """A task whose id Redis was told by its submit. It is told within half a second or not at all, so try again."""
    for _ in range(5):
        path = reversal.submit()
        kept = reversal.redis.get(f"reversal:task:{path.removeprefix('/tasks/')}")
        if kept is not None:
            return UUID(kept.decode())
    pytest.fail("Redis was told of none of five submits")


def test_redis_holds_the_state_from_the_submit_on_and_the_result_for_a_minute(reversal, worker_standing_still):
    redis, key = reversal.redis, f"duly:task:{submitted_and_kept(reversal).hex}"
    eventually(lambda: b'"pending"' in (redis.get(key) or b""))
    worker_standing_still()
    eventually(lambda: b"olleh" in (redis.get(key) or b""))

    assert 50 < redis.ttl(key) <= 60


@pytest.mark.mistake(36)
def test_what_redis_has_lost_is_read_from_the_database_and_put_there_again(reversal, worker):
    path = reversal.submit()
    known = settled(reversal.client, path, "COMPLETED")
    reversal.redis.flushall()

    assert reversal.client.get(path).json() == known
    assert len(reversal.redis.keys("*:task:*")) == 2


@pytest.mark.mistake(36)
def test_without_redis_the_database_answers(reversal, worker):
    before = reversal.submit()
    reversal.cache.kill()
    try:
        assert settled(reversal.client, before, "COMPLETED")["result"] == "olleh"
        assert settled(reversal.client, reversal.submit("redis"), "COMPLETED")["result"] == "sider"
    finally:
        reversal.cache.start()


@pytest.mark.mistake(29)
def test_a_task_that_keeps_failing_is_listed_and_redriven(reversal, worker):
    with reversal.rows.refusing("result <> 'on'"):
        path = reversal.submit("no")
        assert settled(reversal.client, path, "FAILED")["result"] is None
        dead = reversal.client.get("/v1/tasks", params={"state": "failed"}).json()["tasks"]
    redriven = reversal.client.post("/v1/tasks/retry", json={"filter": {"state": "failed"}}).json()

    assert [(task["payload"], task["failures"]) for task in dead] == [({"text": "no"}, 3)]
    assert redriven["retried"] == 1
    assert settled(reversal.client, path, "COMPLETED")["result"] == "on"


def test_what_was_cancelled_or_has_been_purged_does_not_stay_pending(reversal, worker_standing_still):
    cancelled, done = reversal.submit("first"), reversal.submit("second")
    waiting = reversal.client.get("/v1/tasks", params={"state": "pending"}).json()["tasks"]
    ids = {task["payload"]["text"]: task["id"] for task in waiting}
    reversal.client.post(f"/v1/tasks/{ids['first']}/cancel").raise_for_status()
    settled(reversal.client, cancelled, "FAILED")
    worker_standing_still()
    settled(reversal.client, done, "COMPLETED")
    for task_id in ids.values():
        reversal.client.delete(f"/v1/tasks/{task_id}").raise_for_status()

    assert [reversal.client.get(path).json()["status"] for path in (cancelled, done)] == ["FAILED", "COMPLETED"]


def test_prometheus_is_told_of_queues_and_of_what_the_worker_did(reversal, worker_standing_still):
    port = free_port()
    with reversal.example.started(f"duly worker app.tasks:duly --health-port {port}", "worker.started"):
        settled(reversal.client, reversal.submit(), "COMPLETED")
        told = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    whole = reversal.client.get("/metrics").text

    assert 'duly_settled_attempts_total{outcome="completed",queue="default",type="text.reverse"}' in told
    assert 'duly_run_seconds_count{queue="default",type="text.reverse"}' in told
    assert 'duly_queue_tasks{queue="default",state="pending"} 0' in whole


def test_one_setting_asks_everybody_for_a_token(reversal, worker):
    now = datetime.now(UTC)
    claims = {"sub": "me", "exp": now + timedelta(minutes=5), "scope": "tasks:submit tasks:read"}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    reader = jwt.encode(claims | {"scope": "tasks:read"}, SECRET, algorithm="HS256")
    with reversal.example.serving(API, DULY_JWT_SECRET=SECRET) as client:
        nobody = [client.post("/tasks/", json={"input_data": "x"}), client.get("/tasks/1"), client.get("/metrics")]
        refused = client.post("/tasks/", json={"input_data": "x"}, headers=_bearer(reader))
        client.headers.update(_bearer(token))
        accepted = client.post("/tasks/", json={"input_data": "hello"}).json()

        assert [answer.status_code for answer in nobody] == [401, 401, 401]
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert settled(client, f"/tasks/{accepted['id']}", "COMPLETED")["result"] == "olleh"
        assert "FAILED" not in reversal.example.typed(f"python verify_phase4.py {client.base_url}", TOKEN=token)


def test_it_starts_before_its_database_and_its_broker_and_waits_for_them(reversal):
    port = free_port()
    with a_wire(reversal.example.env["DATABASE_URL"]) as wire:
        wire.cut()
        away = {"DATABASE_URL": wire.url, "DULY_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{free_port()}/"}
        with reversal.example.started(API.format(port=port), "store.unavailable", **away) as api:
            wire.mend()
            eventually(lambda: answers(f"http://127.0.0.1:{port}"), 60)
            assert api.said("broker.unavailable")


def test_the_verification_script_says_what_passed(reversal, worker):
    printed = reversal.example.typed(f"python verify_phase4.py {reversal.client.base_url}")

    assert "FAILED" not in printed
    assert printed.count("passed") >= 8


def test_the_lines_of_the_readme_work_as_they_are_written(reversal, worker):
    reversal.database.execute("TRUNCATE tasks RESTART IDENTITY")
    reversal.redis.flushall()

    assert reversal.example.follow_readme("http://127.0.0.1:8005", reversal.client.base_url) == 4


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
