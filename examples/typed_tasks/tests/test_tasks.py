"""Tasks from the submit to the result, through the API and a worker."""

import time
from typing import Any

from httpx import Client


def submitted(client: Client, task_type: str, **payload: object) -> dict[str, Any]:
    answer = client.post("/tasks/", json={"task_type": task_type, "payload": payload})
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


def ended(client: Client, task_id: int) -> dict[str, Any]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        task: dict[str, Any] = client.get(f"/tasks/{task_id}").json()
        if task["status"] in ("completed", "failed"):
            return task
        time.sleep(0.05)
    raise AssertionError(f"Task {task_id} has not ended.")


def test_a_task_is_pending_first_and_completed_in_the_end(client: Client) -> None:
    task = submitted(client, "text_processing", text="One two. Three!")

    assert (task["status"], task["result"]) == ("pending", None)
    assert ended(client, task["id"])["result"]["words"] == 3


def test_a_batch_tells_how_far_it_is(client: Client) -> None:
    task = submitted(client, "batch_processing", items=["one two", 3])

    done = ended(client, task["id"])
    assert (done["result"]["items"], done["result"]["words"]) == (2, 3)
    assert done["progress"] == {"fraction": 1.0, "note": "2 of 2 items"}


def test_what_no_retry_can_mend_fails_at_once(client: Client) -> None:
    task = submitted(client, "image_processing", image="aGVsbG8=")

    failed = ended(client, task["id"])
    assert (failed["status"], failed["retries"]) == ("failed", 0)
    assert "cannot be read" in failed["error"]


def test_the_newest_task_is_listed_first(client: Client) -> None:
    first, second = (submitted(client, "text_processing", text="x")["id"] for _ in range(2))

    listed = client.get("/tasks/", params={"limit": 2}).json()["tasks"]
    assert [task["id"] for task in listed] == [second, first]


def test_a_payload_that_does_not_fit_is_refused(client: Client) -> None:
    refused = client.post("/tasks/", json={"task_type": "text_processing", "payload": {"txt": "hello"}})

    assert refused.status_code == 422
    assert [flaw["pointer"] for flaw in refused.json()["errors"]] == ["/payload/text", "/payload/txt"]
