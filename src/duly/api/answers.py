"""Tasks as answers."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from duly.domain.errors import StoreUnavailable
from duly.domain.state import State
from duly.domain.task import Task
from duly.engine.service import Service
from duly.wire.encode import View, task_json, waiting_json

SOON = 1
NO_REASON = "null"
LATEST = 60
"""Seconds: nobody is told to stay away for longer."""


class JsonResponse(Response):
    """JSON text as it stands. Its fields are put together at once: what Starlette would look for is known here."""

    def __init__(self, text: str, status: int, headers: Mapping[str, str]) -> None:
        self.body = text.encode()
        self.status_code = status
        self.background = None
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
            *[(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        ]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def json_response(text: str, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    """JSON text as it stands."""
    return JsonResponse(text, status, headers)


async def task_response(
    service: Service, task: Task, view: View, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """One task, with ``Retry-After`` while it is not final."""
    if task.final:
        return json_response(task_json(task, view=view), status, headers or {})
    [reason] = await reasons_to_wait(service, [task])
    sent = {**(headers or {}), "retry-after": str(retry_after(service, task))}
    return json_response(task_json(task, reason, view=view), status, sent)


async def reasons_to_wait(service: Service, tasks: Sequence[Task]) -> list[str]:
    """Why each of these does not run yet, as JSON. What was committed is answered even when nobody can say why."""
    try:
        found = await service.tasks.waiting(tasks)
    except StoreUnavailable:
        return [NO_REASON] * len(tasks)
    texts: dict[int, str] = {id(None): NO_REASON}
    for why in found:
        if why is not None and id(why) not in texts:
            texts[id(why)] = waiting_json(why.reason, why.detail, why.until)
    return [texts[id(why)] for why in found]


def tasks_json(tasks: Sequence[Task], reasons: Sequence[str], views: Iterable[View]) -> str:
    """Tasks as the elements of a JSON array, without its brackets."""
    return ",".join([task_json(task, why, view=view) for task, why, view in zip(tasks, reasons, views, strict=False)])


def etag(task: Task) -> str:
    """The validator of a task as an entity tag."""
    return f'W/"{task.validator}"'


def retry_after(service: Service, task: Task) -> int:
    """Seconds until it is worth asking again for a task that is not final."""
    if task.state is not State.SCHEDULED:
        return SOON
    ahead: timedelta = task.run_at - service.store.clock.now()
    return min(max(math.ceil(ahead.total_seconds()), SOON), LATEST)
