"""A task's callback: when it has become final, a task of Duly's own tells an address of it.

What is told is a snapshot of the end: a task that is retried by hand may be another one by the time that it arrives.
"""

import json
from datetime import datetime, timedelta
from hashlib import sha256

from duly.domain.making import READY
from duly.domain.moment import rfc3339
from duly.domain.retry import Retry
from duly.domain.task import DEFAULT_PRIORITY, Task, TaskId
from duly.domain.uuid7 import milliseconds, uuid7

OWN = "duly."
"""Names of queues and types that begin so are Duly's own: nobody else submits or registers them."""

SYSTEM_QUEUE = f"{OWN}system"
CALLBACK_TYPE = f"{OWN}callback"

CALLBACK_RETRY = Retry(max_attempts=10, initial=timedelta(seconds=5), factor=4, longest=timedelta(hours=12))
"""With its jitter about 15 hours in all, 31 at most."""

CALLBACK_TIMEOUT = timedelta(seconds=30)
MAX_RESULT_TOLD = 16_384
"""Standard Webhooks wants a payload below 20 kB; a result of more characters is left out, to be asked for."""


def delivery(task: Task, now: datetime) -> Task:
    """The task that tells of this final one; of the same end it is the same, so it cannot be added twice.

    Its fields stand in the order of Task's.
    """
    task_id = _id(task, now)
    return Task(
        task_id,
        str(task_id),
        CALLBACK_TYPE,
        SYSTEM_QUEUE,
        DEFAULT_PRIORITY,
        f'{{"url": {json.dumps(task.callback_url)}, "event": {_event(task, now)}}}',
        CALLBACK_RETRY.max_attempts,
        CALLBACK_TIMEOUT,
        now,
        now,
        None,
        None,
        (task.id_text,),
        task.request_id,
        task.traceparent,
        None,
        *READY,
    )


def _id(task: Task, now: datetime) -> TaskId:
    """Made of the task's id and the version at its end: a settle that is repeated adds what it added before."""
    digest = sha256(task.id.bytes + task.version.to_bytes(8, "big")).digest()
    return TaskId(uuid7(milliseconds(now), int.from_bytes(digest, "big")))


def _event(task: Task, now: datetime) -> str:
    """The body as Standard Webhooks has it: type, timestamp and data."""
    return f'{{"type": "task.{task.state}", "timestamp": "{rfc3339(now)}", "data": {_data(task)}}}'


def _data(task: Task) -> str:
    """The task as its readers see it, without its payload, which the submitter knows, and without a traceback."""
    told = {
        "id": str(task.id),
        "type": task.type,
        "queue": task.queue,
        "state": task.state,
        "reason": task.reason,
        "error": _error(task),
        "attempt": task.attempt,
        "failures": task.failures,
        "created_at": rfc3339(task.created_at),
        "started_at": task.started_at and rfc3339(task.started_at),
        "finished_at": task.finished_at and rfc3339(task.finished_at),
        "key": task.key,
        "tags": task.tags,
        "version": task.version,
    }
    result = task.result or "null"
    text = json.dumps(told)
    return text if len(result) > MAX_RESULT_TOLD else f'{text[:-1]}, "result": {result}}}'


def _error(task: Task) -> object:
    error = json.loads(task.error or "null")
    return error and {name: value for name, value in error.items() if name != "traceback"}
