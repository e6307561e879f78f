"""Clients that keep submitting while something happens to the database, and remember every answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx


@dataclass
class Load:
    """``accepted``: task ids by tag, of each 202. ``refused``: the tags of each 503. ``strange``: anything else."""

    accepted: dict[str, str] = field(default_factory=dict)
    refused: dict[str, httpx.Response] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)

    def submit(self, http: httpx.Client) -> None:
        tag = uuid4().hex
        body = {"type": "quick", "payload": {"number": 1}, "tags": [tag]}
        try:
            answer = http.post("/v1/tasks", json=body)
        except httpx.HTTPError as error:
            self.strange.append(repr(error))
            return
        match answer.status_code:
            case 202 | 200:  # a repeated insert may find its own task there, and already done
                self.accepted[tag] = answer.json()["id"]
            case 503:
                self.refused[tag] = answer
            case _:
                self.strange.append(f"{answer.status_code} {answer.text}")


@contextmanager
def under_load(url: str, clients: int = 4) -> Iterator[Load]:
    """So many clients submit one task after the other until this closes."""
    load, stop = Load(), threading.Event()

    def run() -> None:
        with httpx.Client(base_url=url, timeout=60) as http:
            while not stop.wait(0.01):
                load.submit(http)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)
