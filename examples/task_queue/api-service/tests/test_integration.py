"""Through the service that runs: this container's, or the one that TASKS_URL names."""

import os
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from handlers import settings

URL = os.environ.get("TASKS_URL", f"http://127.0.0.1:{settings.port}")


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    headers = {}
    if settings.jwt_secret:
        claims = {"sub": "pytest", "scope": "tasks:submit tasks:read", "exp": time.time() + 600}
        headers["Authorization"] = f"Bearer {jwt.encode(claims, settings.jwt_secret)}"
    with httpx.Client(base_url=URL, headers=headers) as client:
        yield client


def ended(client: httpx.Client, task_id: str) -> dict[str, Any]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        task: dict[str, Any] = client.get(f"/api/tasks/{task_id}").json()
        if task["status"] in ("COMPLETED", "FAILED"):
            return task
        time.sleep(0.1)
    raise AssertionError(f"Task {task_id} has not ended: does a worker run?")


def test_a_task_is_completed_in_the_end(client: httpx.Client) -> None:
    body = {"title": "Sample Task", "description": "Process something", "metadata": {"priority": "high"}}

    submitted = client.post("/api/tasks", json=body)

    assert (submitted.status_code, submitted.json()["message"]) == (202, "Task submitted successfully")
    task = ended(client, submitted.json()["task_id"])
    assert {name: task[name] for name in body} == body
    assert task["status"] == "COMPLETED"


def test_what_does_not_fit_is_400_and_what_is_not_there_404(client: httpx.Client) -> None:
    refused, unknown = client.post("/api/tasks", json={"title": ""}), client.get("/api/tasks/nowhere")

    assert (refused.status_code, refused.json()["code"]) == (400, "bad-request")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")
