"""One client's calls over HTTP, each written down with what was answered, or that nothing was."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

import httpx
from httpx_sse import SSEError, aconnect_sse

from duly.torture.records import Json, Move, Pen, Read, Submit

PATIENCE = httpx.Timeout(6, pool=30)
WAIT = 4
"""Seconds that a read waits for the end."""

STREAM = 15.0
"""Seconds after which a stream is left."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to. No status: no answer."""

    sent: float
    answered: float | None
    status: int | None
    body: Json | None
    etag: str | None

    @property
    def task(self) -> Json | None:
        """The task in it."""
        fine = self.body is not None and "version" in self.body
        return self.body if fine else None


NOTHING: Mapping[str, str] = {}


class Caller:
    """Goes to one API after the other."""

    def __init__(self, name: str, urls: Sequence[str], pen: Pen, http: httpx.AsyncClient) -> None:
        self.name = name
        self._urls = cycle(urls)
        self._pen = pen
        self._http = http

    async def submit(self, body: Json, key: str | None, attempt_no: int = 1) -> Answer:
        """One try."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = await self._call("POST", "/v1/tasks", headers, body)
        self._submitted(answer, key, body, answer.task, attempt_no)
        return answer

    async def submit_many(self, bodies: Sequence[Json], key: str, attempt_no: int = 1) -> Answer:
        """One try of a batch."""
        answer = await self._call("POST", "/v1/tasks/batch", {"Idempotency-Key": key}, {"tasks": list(bodies)})
        tasks = (answer.body or {}).get("tasks") or [None] * len(bodies)
        for number, (body, task) in enumerate(zip(bodies, tasks, strict=True)):
            self._submitted(answer, f"{key}#{number}", body, task, attempt_no)
        return answer

    async def get(self, id_: str, since: str | None = None, *, wait: bool = False) -> Answer:
        """Read it; perhaps wait for its end."""
        headers = {} if since is None else {"If-None-Match": since}
        if wait:
            headers["Prefer"] = f"wait={WAIT}"
        answer = await self._call("GET", f"/v1/tasks/{id_}", headers)
        self._pen.write(
            Read(
                client=self.name,
                sent=answer.sent,
                answered=answer.answered,
                status=answer.status,
                id=id_,
                task=answer.task,
                etag=answer.etag,
                since=since,
                via="wait" if wait else "get",
            )
        )
        return answer

    async def list(self) -> None:
        """The newest tasks."""
        answer = await self._call("GET", "/v1/tasks?limit=20", NOTHING)
        for task in (answer.body or {}).get("tasks") or [None]:
            id_ = None if task is None else str(task["id"])
            self._read((answer.sent, answer.answered, answer.status), id_, task, "list")

    async def stream(self, id_: str) -> None:
        """Follow it to its end, for a while."""
        sent = time.monotonic()
        try:
            async with aconnect_sse(
                self._http,
                "GET",
                f"{next(self._urls)}/v1/tasks/{id_}/events",
                headers={"Accept": "text/event-stream"},
                timeout=PATIENCE,
            ) as source:
                async for event in source.aiter_sse():
                    if time.monotonic() > sent + STREAM:
                        break
                    if event.data:
                        self._read((sent, time.monotonic(), source.response.status_code), id_, event.json(), "stream")
        except (httpx.HTTPError, SSEError):
            self._read((sent, None, None), id_, None, "stream")

    async def move(self, id_: str, move: Literal["cancel", "retry"]) -> Answer:
        """Cancel, or retry by hand."""
        answer = await self._call("POST", f"/v1/tasks/{id_}/{move}", NOTHING)
        self._pen.write(
            Move(
                client=self.name,
                sent=answer.sent,
                answered=answer.answered,
                status=answer.status,
                id=id_,
                move=move,
                task=answer.task,
            )
        )
        return answer

    async def _call(self, method: str, path: str, headers: Mapping[str, str], body: Json | None = None) -> Answer:
        sent = time.monotonic()
        try:
            answer = await self._http.request(
                method, f"{next(self._urls)}{path}", headers=headers, json=body, timeout=PATIENCE
            )
        except httpx.HTTPError:
            return Answer(sent, None, None, None, None)
        answered = time.monotonic()
        told = answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else None
        return Answer(sent, answered, answer.status_code, told, answer.headers.get("etag"))

    def _submitted(self, answer: Answer, key: str | None, body: Json, task: Json | None, attempt_no: int) -> None:
        self._pen.write(
            Submit(
                client=self.name,
                sent=answer.sent,
                answered=answer.answered,
                status=answer.status,
                key=key,
                body=body,
                task=task,
                attempt_no=attempt_no,
            )
        )

    def _read(
        self,
        times: tuple[float, float | None, int | None],
        id_: str | None,
        task: Json | None,
        via: Literal["list", "stream"],
    ) -> None:
        """``times`` are when it was sent and answered, and with which status."""
        sent, answered, status = times
        self._pen.write(Read(client=self.name, sent=sent, answered=answered, status=status, id=id_, task=task, via=via))
