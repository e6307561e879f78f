"""Those who submit and cancel over HTTP, and remember what was accepted."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

import httpx
from benchmarks.pairs.mix import Cancel, Item

THREADS = 4
BATCH = 50
ALONE = 5
"""One in so many is submitted alone, the rest in batches."""


class Clients:
    """Any answer that is not the expected one is an error: a broker's troubles are none of the clients'."""

    def __init__(self, http: httpx.Client) -> None:
        self.accepted: dict[str, Item] = {}
        self.slowest = 0.0
        """Seconds that the slowest submit took."""
        self._http = http
        self._to_cancel: list[str] = []
        self._stop = Event()
        self._cancelling = Lock()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Meanwhile what runs and is to be cancelled is cancelled."""
        thread = Thread(target=self._cancel_running, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(60)

    @contextmanager
    def holding_back(self) -> Iterator[None]:
        """Meanwhile nothing that runs is cancelled."""
        with self._cancelling:
            yield

    def submit(self, items: Sequence[Item]) -> None:
        """Returns when all are accepted."""
        cancelled = [item for item in items if item.cancel is not Cancel.NEVER]
        others = [item for item in items if item.cancel is Cancel.NEVER]
        rest = [item for number, item in enumerate(others) if number % ALONE]
        batches = [rest[start : start + BATCH] for start in range(0, len(rest), BATCH)]
        with ThreadPoolExecutor(THREADS) as threads:
            for done in (
                threads.map(self._alone, [*others[::ALONE], *cancelled]),
                threads.map(self._together, batches),
            ):
                list(done)

    def _alone(self, item: Item) -> None:
        task = self._post("/v1/tasks", item.body)
        self.accepted[task["id"]] = item
        match item.cancel:
            case Cancel.AT_ONCE:
                self._cancel(task["id"])
            case Cancel.RUNNING:
                self._to_cancel.append(task["id"])

    def _together(self, items: Sequence[Item]) -> None:
        tasks = self._post("/v1/tasks/batch", {"tasks": [dict(item.body) for item in items]})["tasks"]
        self.accepted |= {task["id"]: item for task, item in zip(tasks, items, strict=True)}

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        began = time.monotonic()
        answer = self._http.post(path, json=body)
        self.slowest = max(self.slowest, time.monotonic() - began)
        if answer.status_code != httpx.codes.ACCEPTED:
            raise AssertionError(f"{path}: {answer.status_code} {answer.text}")
        return answer.json()

    def _cancel(self, task: str) -> None:
        """A task that has completed before that stays so."""
        answer = self._http.post(f"/v1/tasks/{task}/cancel")
        if answer.status_code not in {200, 202, 409}:
            raise AssertionError(f"cancel: {answer.status_code} {answer.text}")

    def _cancel_running(self) -> None:
        while not self._stop.wait(0.1):
            with self._cancelling:
                for task in list(self._to_cancel):
                    if self._http.get(f"/v1/tasks/{task}").json()["state"] == "running":
                        self._cancel(task)
                        self._to_cancel.remove(task)
