"""Rows to tasks and back."""

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from duly.domain.event import Kind, TaskEvent
from duly.domain.failure import printable
from duly.domain.making import of
from duly.domain.moment import MICROSECOND
from duly.domain.state import Reason, State
from duly.domain.task import HIGHEST_PRIORITY, Task, TaskId, WorkerId
from duly.stores.sql.schema import events, tasks

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
    """The task of a row of TASK_COLUMNS, its fields a line each; what follows them in the row is not looked at."""
    return of(
        (
            row[0],
            str(row[0]),
            row[1],
            row[2],
            HIGHEST_PRIORITY - row[3],
            row[4],
            row[5],
            timeout_of(row[6]),
            row[7],
            row[8],
            row[25],
            row[26],
            tags_of(row[27]),
            row[28],
            row[29],
            row[30],
            row[11],
            row[12],
            row[13],
            row[15],
            row[16],
            row[20],
            row[21],
            row[23],
            row[18],
            row[19],
            _STATES[row[9]],
            _REASONS[row[10]],
            row[14],
            row[17],
            row[22],
            row[24],
        )
    )


@cache
def timeout_of(microseconds: int) -> timedelta:
    """Few tasks have one of their own."""
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


def tags_of(text: str) -> tuple[str, ...]:
    """Back from ``tags_text``."""
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
