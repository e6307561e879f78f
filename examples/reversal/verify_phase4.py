"""Goes through the whole contract against a running service, and says what passed. Needs httpx only.

    python verify_phase4.py [http://127.0.0.1:8005]

TOKEN in the environment is sent as a bearer token, where the service asks for one.
"""

import os
import sys
import time
from collections.abc import Callable

import httpx

SECONDS = 60


def accepts_at_both_paths(client: httpx.Client) -> bool:
    for path in ("/tasks/", "/tasks"):
        answer = client.post(path, json={"input_data": "hello"})
        number = answer.json()["id"]
        if (answer.status_code, answer.json()) != (201, {"id": number, "status": "PENDING", "result": None}):
            return False
    return True


def turns_a_text_round(client: httpx.Client) -> bool:
    number = client.post("/tasks/", json={"input_data": "hello"}).json()["id"]
    return ended(client, number) == {"id": number, "status": "COMPLETED", "result": "olleh"}


def answers_again_from_the_cache(client: httpx.Client) -> bool:
    number = client.post("/tasks/", json={"input_data": "cache"}).json()["id"]
    first = ended(client, number)
    return first == ended(client, number)


def goes_only_forward(client: httpx.Client) -> bool:
    number, seen = client.post("/tasks/", json={"input_data": "x" * 10_000}).json()["id"], ["PENDING"]
    deadline = time.monotonic() + SECONDS
    while seen[-1] != "COMPLETED" and time.monotonic() < deadline:
        seen.append(client.get(f"/tasks/{number}").json()["status"])
    words = ["PENDING", "PROCESSING", "COMPLETED"]
    return seen[-1] == "COMPLETED" and seen == sorted(seen, key=words.index)


def knows_no_other_number(client: httpx.Client) -> bool:
    return client.get("/tasks/999999999").status_code == httpx.codes.NOT_FOUND


def refuses_what_does_not_fit(client: httpx.Client) -> bool:
    return client.post("/tasks/", json={"input_data": 7}).status_code == httpx.codes.UNPROCESSABLE_ENTITY


def refuses_what_is_not_json(client: httpx.Client) -> bool:
    headers = {"content-type": "application/json"}
    return client.post("/tasks/", content=b"{", headers=headers).status_code == httpx.codes.BAD_REQUEST


def is_ready(client: httpx.Client) -> bool:
    return client.get("/health/ready").status_code == httpx.codes.OK


def lists_dead_letters(client: httpx.Client) -> bool:
    return client.get("/v1/tasks", params={"state": "failed"}).status_code == httpx.codes.OK


def ended(client: httpx.Client, number: int) -> dict[str, object]:
    deadline = time.monotonic() + SECONDS
    while True:
        task: dict[str, object] = client.get(f"/tasks/{number}").json()
        if task["status"] in ("COMPLETED", "FAILED") or time.monotonic() > deadline:
            return task
        time.sleep(0.05)


CHECKS: tuple[Callable[[httpx.Client], bool], ...] = (
    is_ready,
    accepts_at_both_paths,
    turns_a_text_round,
    answers_again_from_the_cache,
    goes_only_forward,
    knows_no_other_number,
    refuses_what_does_not_fit,
    refuses_what_is_not_json,
    lists_dead_letters,
)


def main() -> int:
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8005"
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
