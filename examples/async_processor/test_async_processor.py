"""Goes through the whole flow against a running service, and says what passed. Needs httpx only.

    python test_async_processor.py [http://127.0.0.1:8000]

TOKEN in the environment is sent as a bearer token, where the service asks for one. A submit has to be answered within
50 milliseconds at the median, or within WITHIN seconds, where machine or network are slow.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx

SECONDS = 60
SUM = 499_999_500_000
WITHIN = float(os.environ.get("WITHIN", "0.050"))
BODY = {"data": {"input": 42, "operation": "compute"}}


def is_healthy(client: httpx.Client) -> bool:
    return client.get("/health").status_code == httpx.codes.OK


def accepts_a_task(client: httpx.Client) -> bool:
    accepted = client.post("/process", json=BODY).json()
    UUID(accepted["task_id"])
    return (accepted["status"], accepted["message"]) == ("pending", "Task queued for processing")


def accepts_a_task_without_data_and_without_a_body(client: httpx.Client) -> bool:
    answers = [client.post("/process", json={}), client.post("/process")]
    return [ended(client, answer.json()["task_id"])["result"] for answer in answers] == [SUM, SUM]


def answers_a_submit_in_time(client: httpx.Client) -> bool:
    return any(statistics.median(timed(client) for _ in range(20)) < WITHIN for _ in range(5))


def completes_a_task_with_the_sum(client: httpx.Client) -> bool:
    done = ended(client, client.post("/process", json=BODY).json()["task_id"])
    names = {"task_id", "status", "result", "error_message", "created_at", "completed_at"}
    return done.keys() == names and (done["status"], done["result"], done["error_message"]) == ("completed", SUM, None)


def completes_ten_at_once(client: httpx.Client) -> bool:
    ids = [client.post("/process", json=BODY).json()["task_id"] for _ in range(10)]
    return all(ended(client, task_id)["status"] == "completed" for task_id in ids)


def knows_no_other_task(client: httpx.Client) -> bool:
    return {client.get(f"/results/{name}").status_code for name in (uuid4(), "no-id")} == {httpx.codes.NOT_FOUND}


def refuses_what_does_not_fit(client: httpx.Client) -> bool:
    return client.post("/process", json={"data": "text"}).status_code == httpx.codes.UNPROCESSABLE_ENTITY


def timed(client: httpx.Client) -> float:
    began = time.perf_counter()
    client.post("/process", json=BODY).raise_for_status()
    return time.perf_counter() - began


def ended(client: httpx.Client, task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + SECONDS
    while True:
        task: dict[str, Any] = client.get(f"/results/{task_id}").json()
        if task["status"] != "pending" or time.monotonic() > deadline:
            return task
        time.sleep(0.05)


CHECKS: tuple[Callable[[httpx.Client], bool], ...] = (
    is_healthy,
    accepts_a_task,
    accepts_a_task_without_data_and_without_a_body,
    completes_a_task_with_the_sum,
    completes_ten_at_once,
    answers_a_submit_in_time,
    knows_no_other_task,
    refuses_what_does_not_fit,
)


def main() -> int:
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    token = os.environ.get("TOKEN")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    failed = 0
    with httpx.Client(base_url=url, headers=headers, timeout=10) as client:
        for check in CHECKS:
            try:
                passed = check(client)
            except (httpx.HTTPError, KeyError, ValueError) as error:
                passed = False
                print(f"        {type(error).__name__}: {error}")
            failed += not passed
            print(f"{'passed' if passed else 'FAILED'}  {check.__name__.replace('_', ' ')}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
