"""Every request of the HTTP surface that the clients make, once for both of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ValidationError

from duly.client.call import Call, dumps, reader
from duly.client.errors import Subject
from duly.domain.errors import Flaw, Invalid
from duly.domain.state import State
from duly.wire.overview import Queue, Queues, Stats, Worker, Workers
from duly.wire.redrive import Redrive, Redriven
from duly.wire.story import Event, Story
from duly.wire.submit import Batch, Submit
from duly.wire.task import Task, TaskPage, Tasks
from duly.wire.task_type import TaskType, TaskTypes

Id = str | UUID

LONGEST_SILENCE = timedelta(seconds=30)
"""A stream that says nothing for so long, beside the client's own time-out, is broken: the service sends a comment
every 15 seconds."""


class SubmitOptions(TypedDict, total=False):
    """What may be said of a task beside its type and payload; what is left out follows the type's defaults."""

    queue: str
    priority: int
    delay: timedelta | float
    run_at: datetime
    max_attempts: int
    timeout: timedelta | float
    expires_at: datetime
    key: str
    tags: Sequence[str]
    callback_url: str
    idempotency_key: str
    """Makes a repeat safe after an outage: the same key and the same task give the same answer (kept 24 h)."""


class Filters(TypedDict, total=False):
    """Which tasks to list; what is left out does not filter."""

    state: State | str
    type: str
    queue: str
    tag: str
    key: str
    created_after: datetime
    created_before: datetime


class _Unchanged:
    """Stands for a payload that is not given, because None is one."""


UNCHANGED = _Unchanged()


def submit(type_name: str, payload: object, options: SubmitOptions) -> Call[Task]:
    """Raises Invalid when the arguments themselves do not fit."""
    given = dict(options)
    key = given.pop("idempotency_key", None)
    try:
        submission = Submit.model_validate({"type": type_name, "payload": payload, **given})
    except ValidationError as error:
        raise _invalid(error) from None
    return Call(
        method="POST",
        path="/v1/tasks",
        body=_body(submission),
        read=reader(Task),
        subject=Subject(type_name),
        takes_key=True,
        idempotency_key=None if key is None else str(key),
    )


def submit_many(submissions: Sequence[Submit], idempotency_key: str | None = None) -> Call[list[Task]]:
    """All or none are accepted."""
    return Call(
        method="POST",
        path="/v1/tasks/batch",
        body=_body(Batch.model_construct(tasks=list(submissions))),
        read=lambda text: Tasks.model_validate_json(text).tasks,
        takes_key=True,
        idempotency_key=idempotency_key,
    )


def get(task_id: Id, wait: timedelta = timedelta()) -> Call[Task]:
    """With ``wait`` the service answers when the task is final, or after that time."""
    subject = Subject(str(task_id))
    return Call(method="GET", path=_path(task_id), read=reader(Task), subject=subject, patience=wait)


def stream(task_id: Id, after: int) -> Call[Task]:
    """The task's changes after that version; each event reads as the task."""
    return Call(
        method="GET",
        path=_path(task_id, "events"),
        read=reader(Task),
        subject=Subject(str(task_id)),
        patience=LONGEST_SILENCE,
        follows=after,
    )


def events(task_id: Id) -> Call[list[Event]]:
    """The task's story, oldest first."""
    return Call(
        method="GET",
        path=_path(task_id, "events"),
        read=lambda text: Story.model_validate_json(text).events,
        subject=Subject(str(task_id)),
    )


def page(filters: Filters, limit: int, cursor: str | None, *, basic: bool = False) -> Call[TaskPage]:
    """One page of the list."""
    query = {name: _text(value) for name, value in filters.items() if value is not None} | {"limit": str(limit)}
    query |= {} if cursor is None else {"cursor": cursor}
    query |= {"view": "basic"} if basic else {}
    return Call(method="GET", path="/v1/tasks", query=query, read=reader(TaskPage))


def cancel(task_id: Id) -> Call[Task]:
    """The task as it is then: cancelled, or running and asked to stop."""
    subject = Subject(str(task_id), "cancelled")
    return Call(method="POST", path=_path(task_id, "cancel"), read=reader(Task), subject=subject, repeatable=True)


def retry(task_id: Id, payload: object = UNCHANGED) -> Call[Task]:
    """Run it again from the start, if wanted with another payload."""
    body = None if isinstance(payload, _Unchanged) else dumps({"payload": payload})
    subject = Subject(str(task_id), "retried")
    return Call(method="POST", path=_path(task_id, "retry"), body=body, read=reader(Task), subject=subject)


def redrive(wanted: Redrive) -> Call[Redriven]:
    """Many tasks again, by filter."""
    return Call(method="POST", path="/v1/tasks/retry", body=_body(wanted), read=reader(Redriven))


def delete(task_id: Id) -> Call[None]:
    """Only what is final can be deleted."""
    subject = Subject(str(task_id), "deleted")
    return Call(method="DELETE", path=_path(task_id), read=lambda _: None, subject=subject)


def queues() -> Call[list[Queue]]:
    """Every queue, by name."""
    return Call(method="GET", path="/v1/queues", read=lambda text: Queues.model_validate_json(text).queues)


def pause(queue: str, paused: bool) -> Call[Queue]:
    """Pause a queue, or let it go on."""
    path = f"/v1/queues/{quote(queue, safe='')}/{'pause' if paused else 'resume'}"
    return Call(method="POST", path=path, read=reader(Queue), subject=Subject(queue), repeatable=True)


def types() -> Call[list[TaskType]]:
    """Every registered type, by name."""
    return Call(method="GET", path="/v1/types", read=lambda text: TaskTypes.model_validate_json(text).types)


def workers() -> Call[list[Worker]]:
    """Who is alive, the oldest first."""
    return Call(method="GET", path="/v1/workers", read=lambda text: Workers.model_validate_json(text).workers)


def stats() -> Call[Stats]:
    """The figures of all queues."""
    return Call(method="GET", path="/v1/stats", read=reader(Stats))


def _path(task_id: Id, *rest: str) -> str:
    return "/".join(["/v1/tasks", quote(str(task_id), safe=""), *rest])


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _body(model: BaseModel) -> bytes:
    return dumps(model.model_dump(mode="python", exclude_unset=True))


def _invalid(error: ValidationError) -> Invalid:
    flaws = [Flaw("".join(f"/{part}" for part in flaw["loc"]), flaw["msg"]) for flaw in error.errors()]
    return Invalid("The submission does not fit: " + "; ".join(f"{f.pointer} {f.detail}" for f in flaws), flaws)
