"""What the example promises over HTTP, line by line: on SQLite and anonymous, on PostgreSQL and Redis by JWT."""

import base64
import io
from typing import Any

import pytest
from PIL import Image

from tests.examples.typed_tasks.conftest import ANONYMOUS, SECRET, Scene, a_token
from tests.support.example import quickest_median, settled
from tests.support.processes import eventually

pytestmark = pytest.mark.system

FIELDS = [
    *("id", "task_type", "payload", "status", "result", "error"),
    *("retries", "created_at", "started_at", "completed_at"),
]
TEXT = "Ships carry grain. Ships carry coal too. Nobody sang. The harbour, where the ships wait, is full of coal."


def a_picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize("scene", [ANONYMOUS], indirect=True)
def test_the_curl_lines_of_the_readme_work(scene: Scene):
    """The first one: the README's task has the id 1."""
    assert scene.example.follow_readme("http://127.0.0.1:8000", scene.client.base_url) == 4


def test_a_submit_is_answered_with_the_pending_task(scene: Scene):
    answer = scene.client.post("/tasks/", json={"task_type": "text_processing", "payload": {"text": "hello"}})

    task = answer.json()
    assert answer.status_code == 201
    assert list(task) == FIELDS
    assert (task["task_type"], task["payload"]) == ("text_processing", {"text": "hello"})
    assert (task["status"], task["result"], task["error"], task["retries"]) == ("pending", None, None, 0)
    assert (task["started_at"], task["completed_at"]) == (None, None)


@pytest.mark.parametrize(
    ("task_type", "payload", "result"),
    [
        (
            "text_processing",
            {"text": "To be, or not to be? That's it.", "top": 2},
            {"words": 8, "sentences": 2, "characters": 31, "frequencies": {"be": 2, "to": 2}},
        ),
        (
            "ai_summarization",
            {"text": TEXT, "sentences": 2},
            {"summary": "Ships carry grain. Ships carry coal too.", "sentences": 4, "kept": 0.381},
        ),
    ],
)
def test_a_text_is_worked_on(scene: Scene, task_type: str, payload: dict[str, Any], result: dict[str, Any]):
    task = scene.ended(scene.submit(task_type, payload))

    assert list(task) == FIELDS
    assert (task["status"], task["result"], task["retries"]) == ("completed", result, 0)
    assert task["created_at"] <= task["started_at"] <= task["completed_at"]


def test_a_batch_is_counted_item_by_item_and_tells_how_far_it_is(scene: Scene):
    task = scene.ended(scene.submit("batch_processing", {"items": ["one two", "three", 4]}))

    assert (task["result"]["items"], task["result"]["words"]) == (3, 4)
    assert [item["words"] for item in task["result"]["results"]] == [2, 1, 1]
    assert task["progress"] == {"fraction": 1.0, "note": "3 of 3 items"}


def test_an_inline_picture_becomes_a_thumbnail(scene: Scene):
    inline = base64.b64encode(a_picture()).decode()

    task = scene.ended(scene.submit("image_processing", {"image": inline, "longest_side": 64}))

    assert (task["result"]["width"], task["result"]["height"]) == (64, 48)


def test_an_uploaded_picture_becomes_a_thumbnail(scene: Scene):
    answer = scene.client.post("/tasks/image", files={"file": ("photo.jpg", a_picture())}, data={"longest_side": 32})

    assert answer.status_code == 201, answer.text
    made = scene.ended(answer.json())["result"]
    assert Image.open(io.BytesIO(base64.b64decode(made["image"]))).size == (32, 24)


def test_tasks_are_listed_newest_first_by_page_and_by_status(scene: Scene):
    ids = [scene.submit("text_processing", {"text": f"number {number}"})["id"] for number in range(3)]
    failed = scene.ended(scene.submit("image_processing", {"image": "aGVsbG8="}))
    settled(scene.client, f"/tasks/{ids[-1]}", "completed")

    def listed(**query: object) -> list[int]:
        return [task["id"] for task in scene.client.get("/tasks/", params=query).json()["tasks"]]

    assert listed(limit=3) == [failed["id"], ids[2], ids[1]]
    assert listed(limit=2, offset=2) == [ids[1], ids[0]]
    assert listed(status="completed", limit=3) == ids[::-1]
    assert listed(status="failed", limit=1) == [failed["id"]]
    eventually(lambda: listed(status="pending") == listed(status="running") == [])


def test_what_no_retry_can_mend_fails_at_once(scene: Scene):
    task = scene.ended(scene.submit("image_processing", {"image": "aGVsbG8="}))

    assert (task["status"], task["result"], task["retries"]) == ("failed", None, 0)
    assert task["error"] == "app.images.NotAPicture: The picture cannot be read (UnidentifiedImageError)."


def test_what_fails_is_retried_until_it_works(scene: Scene):
    with scene.refusing("UPDATE", "unlucky"):
        task = scene.submit("text_processing", {"text": "unlucky"})
        eventually(lambda: scene.client.get(f"/tasks/{task['id']}").json()["retries"] >= 1, 20)

    done = scene.ended(task)
    assert (done["status"], done["error"]) == ("completed", None)
    assert done["retries"] >= 1


def test_what_goes_on_failing_is_given_up_after_so_many_attempts(scene: Scene):
    with scene.refusing("UPDATE", "hopeless"):
        task = scene.ended(scene.submit("text_processing", {"text": "hopeless"}))

    assert (task["status"], task["result"], task["retries"]) == ("failed", None, 2)
    assert "IntegrityError" in task["error"]


def test_a_failing_insert_leaves_neither_row_nor_task(scene: Scene):
    before = (scene.count("tasks"), scene.count("duly_tasks"))

    with scene.refusing("INSERT", "doomed"):
        answer = scene.client.post("/tasks/", json={"task_type": "text_processing", "payload": {"text": "doomed"}})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert (scene.count("tasks"), scene.count("duly_tasks")) == before


def test_a_cancelled_task_never_stays_pending(scene: Scene):
    scene.client.post("/v1/queues/default/pause")
    task = scene.submit("text_processing", {"text": "hello"})
    duly_id = scene.client.get("/v1/tasks", params={"limit": 1}).json()["tasks"][0]["id"]

    scene.client.post(f"/v1/tasks/{duly_id}/cancel")
    scene.client.post("/v1/queues/default/resume")

    assert scene.client.get(f"/tasks/{task['id']}").json()["status"] == "failed"


@pytest.mark.parametrize("scene", [ANONYMOUS], indirect=True)  # a broker promises less (docs/operate)
def test_the_most_urgent_task_is_run_first(scene: Scene):
    scene.client.post("/v1/queues/default/pause")
    tasks = [scene.submit("text_processing", {"text": "hello"}, priority=priority) for priority in (2, 5, 9)]
    scene.client.post("/v1/queues/default/resume")

    started = [scene.ended(task)["started_at"] for task in tasks]

    assert started == sorted(started, reverse=True)


@pytest.mark.parametrize(
    ("request_line", "body", "answered", "pointers"),
    [
        ("GET /tasks/999999", None, "404 not-found", None),
        ("GET /tasks/one", None, "404 not-found", None),
        (f"GET /tasks/{2**63}", None, "422 invalid", [""]),
        (f"GET /tasks/?offset={2**63}", None, "422 invalid", [""]),
        ("GET /tasks/?status=odd", None, "422 invalid", [""]),
        ("GET /tasks/?limit=0", None, "422 invalid", [""]),
        ("POST /tasks/", {"task_type": "odd", "payload": {}}, "422 invalid", ["/task_type"]),
        ("POST /tasks/", {"task_type": "text_processing"}, "422 invalid", ["/payload"]),
        ("POST /tasks/", {"task_type": "text_processing", "payload": {}}, "422 invalid", ["/payload/text"]),
        ("DELETE /tasks/1", None, "405 method-not-allowed", None),
    ],
)
def test_what_does_not_fit_is_answered_with_a_problem_document(scene: Scene, request_line, body, answered, pointers):
    answer = scene.client.request(*request_line.split(), json=body)

    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert f"{answer.status_code} {problem['code']}" == answered
    assert pointers is None or [flaw["pointer"] for flaw in problem["errors"]] == pointers


def test_a_submit_is_answered_within_50_milliseconds_at_the_median(scene: Scene):
    """With the worker at rest, in one round of several: what else the machine does is no fault of the example's."""
    scene.client.post("/v1/queues/default/pause")

    median = quickest_median(lambda: scene.submit("text_processing", {"text": "hello"}), 0.050)

    scene.client.post("/v1/queues/default/resume")
    assert median < 0.050


def test_who_must_say_who_they_are_is_asked(scene: Scene):
    body = {"task_type": "text_processing", "payload": {"text": "hello"}}
    tokens = ["", "nonsense", a_token(secret=SECRET[::-1]), a_token("tasks:read")]
    tries = [{"authorization": f"Bearer {token}"} if token else {} for token in tokens]

    with type(scene.client)(base_url=scene.client.base_url) as stranger:
        submitted = [stranger.post("/tasks/", json=body, headers=headers).status_code for headers in tries]
        looked = stranger.get("/tasks/", headers=tries[-1]).status_code
        open_to_all = stranger.get("/health/ready").status_code

    asked = "authorization" in scene.client.headers
    assert submitted == ([401, 401, 401, 403] if asked else [201, 201, 201, 201])
    assert (looked, open_to_all) == (200, 200)


def test_swagger_and_the_figures_of_the_service_are_there(scene: Scene):
    pages = [scene.client.get(path).status_code for path in ("/docs", "/openapi.json", "/v1/stats", "/health/live")]

    assert pages == [200, 200, 200, 200]
    assert "duly_submitted_tasks_total{" in scene.client.get("/metrics").text


def test_losing_redis_costs_time_and_no_task(scene: Scene):
    """The last one: there is no Redis any more."""
    if scene.redis:
        scene.redis.kill()

    task = scene.ended(scene.submit("text_processing", {"text": "hello"}))

    assert task["status"] == "completed"
