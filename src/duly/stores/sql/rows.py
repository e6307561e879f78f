"""Rows to tasks and back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from duly.domain.changed import UNTOUCHED, made, of
from duly.domain.event import Kind, TaskEvent
from duly.domain.failure import printable
from duly.domain.state import Reason, State
from duly.domain.task import HIGHEST_PRIORITY, ClaimToken, Task, TaskId, WorkerId
from duly.stores.sql.schema import events, tasks
from duly.stores.sql.types import MICROSECOND

TASK_COLUMNS = tuple(column for column in tasks.columns if column.name not in {"live_key", "wake_at"})
"""What ``task_of`` needs, in the order in which it needs it."""

_STATES = {state.value: state for state in State}
_REASONS: dict[str | None, Reason | None] = {None: None} | {reason.value: reason for reason in Reason}


def values_of(task: Task) -> dict[str, Any]:
    """All columns of the task's row, a line each."""
    return {
        "id": task.id,
        "type": task.type,
        "queue": task.queue,
        "precedence": HIGHEST_PRIORITY - task.priority,
        "payload": task.payload,
        "max_attempts": task.max_attempts,
        "timeout_us": task.timeout // MICROSECOND,
        "run_at": task.run_at,
        "created_at": task.created_at,
        "state": task.state.value,
        "reason": None if task.reason is None else task.reason.value,
        "attempt": task.attempt,
        "failures": task.failures,
        "crashes": task.crashes,
        "version": task.version,
        "progress_seq": task.progress_seq,
        "progress": task.progress,
        "result": task.result,
        "error": task.error,
        "cancelling": task.cancelling,
        "token": task.token,
        "worker": task.worker,
        "lease_until": task.lease_until,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "expires_at": task.expires_at,
        "key": task.key,
        "tags": tags_text(task.tags),
        "request_id": task.request_id,
        "traceparent": task.traceparent,
        "wake_at": task.wake_at,
        "callback_url": task.callback_url,
    }


NEW_COLUMNS = (
    "id",
    "type",
    "queue",
    "precedence",
    "payload",
    "max_attempts",
    "timeout_us",
    "run_at",
    "created_at",
    "state",
    "expires_at",
    "key",
    "tags",
    "request_id",
    "traceparent",
    "wake_at",
    "callback_url",
)
"""Where new tasks differ from each other; all else is the same in all of them: ``NEW_CONSTANTS``, and NULL."""

NEW_CONSTANTS = {
    "attempt": "0",
    "failures": "0",
    "crashes": "0",
    "version": "1",
    "progress_seq": "0",
    "cancelling": "FALSE",
}


def is_new(task: Task) -> bool:
    """Whether nothing has happened to the task yet, as with nearly all that are inserted."""
    return vars(task).items() >= UNTOUCHED.items()


def new_values(task: Task) -> tuple[Any, ...]:
    """The values of NEW_COLUMNS."""
    return (
        task.id,
        task.type,
        task.queue,
        HIGHEST_PRIORITY - task.priority,
        task.payload,
        task.max_attempts,
        task.timeout // MICROSECOND,
        task.run_at,
        task.created_at,
        task.state.value,
        task.expires_at,
        task.key,
        tags_text(task.tags),
        task.request_id,
        task.traceparent,
        task.wake_at,
        task.callback_url,
    )


def values_columns() -> tuple[str, ...]:
    """The names of the columns that ``values_of`` gives, in its order."""
    return tuple(column.name for column in tasks.columns if column.name != "live_key")


def changed_values(before: Task, after: Task) -> dict[str, Any]:
    """The columns that the change changes: what it leaves alone (a lease, progress) may have been renewed since."""
    old, new = values_of(before), values_of(after)
    return {name: value for name, value in new.items() if value != old[name]}


def task_of(row: Sequence[Any]) -> Task:
    """The task of a row of TASK_COLUMNS, a line each; what follows them is not looked at."""
    return made(
        id=row[0],
        type=row[1],
        queue=row[2],
        priority=HIGHEST_PRIORITY - row[3],
        payload=row[4],
        max_attempts=row[5],
        timeout=_timeout_of(row[6]),
        run_at=row[7],
        created_at=row[8],
        state=_STATES[row[9]],
        reason=_REASONS[row[10]],
        attempt=row[11],
        failures=row[12],
        crashes=row[13],
        version=row[14],
        progress_seq=row[15],
        progress=row[16],
        result=row[17],
        error=row[18],
        cancelling=row[19],
        token=row[20],
        worker=row[21],
        lease_until=row[22],
        started_at=row[23],
        finished_at=row[24],
        expires_at=row[25],
        key=row[26],
        tags=_tags_of(row[27]),
        request_id=row[28],
        traceparent=row[29],
        callback_url=row[30],
    )


CLAIMED_COLUMNS = (
    "precedence",
    "timeout_us",
    "tags",
    "id",
    "type",
    "payload",
    "max_attempts",
    "run_at",
    "created_at",
    "attempt",
    "failures",
    "crashes",
    "version",
    "progress_seq",
    "error",
    "cancelling",
    "expires_at",
    "key",
    "request_id",
    "traceparent",
    "callback_url",
)
"""What tells the tasks of one claim apart; all else whoever claims them knows: see ``claim_values``."""

_BLANK = dict.fromkeys((*(field.name for field in fields(Task)), "id_text"))


def claim_values(
    queue: str, token: ClaimToken, worker: WorkerId, started_at: datetime, lease: timedelta
) -> dict[str, Any]:
    """The fields of a task, filled in as far as they are the same in all tasks of one claim."""
    return _BLANK | {
        "queue": queue,
        "state": State.RUNNING,
        "token": token,
        "worker": worker,
        "started_at": started_at,
        "lease_until": started_at + lease,
    }


def claimed_of(row: Iterable[Any], known: Mapping[str, Any]) -> Task:
    """The task of a row of CLAIMED_COLUMNS, a line each, as the claim has left it; what follows is not looked at."""
    task = {**known}
    (
        precedence,
        timeout_us,
        tags,
        task["id"],
        task["type"],
        task["payload"],
        task["max_attempts"],
        task["run_at"],
        task["created_at"],
        task["attempt"],
        task["failures"],
        task["crashes"],
        task["version"],
        task["progress_seq"],
        task["error"],
        task["cancelling"],
        task["expires_at"],
        task["key"],
        task["request_id"],
        task["traceparent"],
        task["callback_url"],
        *_,
    ) = row
    task["priority"] = HIGHEST_PRIORITY - precedence
    task["timeout"] = _timeout_of(timeout_us)
    task["tags"] = _tags_of(tags)
    task["id_text"] = str(task["id"])
    return of(task)


@cache
def _timeout_of(microseconds: int) -> timedelta:
    return timedelta(microseconds=microseconds)


def tags_text(tags: Sequence[str]) -> str:
    """The tags as JSON text, one a line: no tag holds a raw newline, so ``tag_text`` finds whole tags only."""
    return "[\n" + ",\n".join(map(json.dumps, tags)) + "]" if tags else "[]"


def tag_text(tag: str) -> str:
    """What ``tags_text`` of tags that hold this one contains, and of others does not."""
    return "\n" + json.dumps(tag)


def error_start(error_type: str) -> str:
    """What the stored error of this type starts with (``Failure.as_json``)."""
    return json.dumps({"type": printable(error_type, 256)})[:-1] + ","


def _tags_of(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(json.loads(text))


EVENT_COLUMNS = tuple(column for column in events.columns if column is not events.c.id)


def event_values(event: TaskEvent) -> dict[str, Any]:
    """The columns of the event's row."""
    return {
        "task_id": event.task_id,
        "version": event.version,
        "at": event.at,
        "kind": event.kind.value,
        "attempt": event.attempt,
        "worker": event.worker,
        "detail": json.dumps(event.detail),
    }


def event_of(row: Sequence[Any]) -> TaskEvent:
    """The event of a row of EVENT_COLUMNS."""
    task_id, version, at, kind, attempt, worker, detail = row
    return TaskEvent(
        task_id=TaskId(task_id),
        version=version,
        at=at,
        kind=Kind(kind),
        attempt=attempt,
        worker=None if worker is None else WorkerId(worker),
        detail=json.loads(detail),
    )
