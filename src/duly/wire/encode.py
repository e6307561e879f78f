"""A task as JSON, fast: what is stored as JSON text is put in as it stands.

So big integers, the order of keys and escapes stay as they were, and nothing is parsed to be written again.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted

from duly.domain.event import TaskEvent
from duly.domain.moment import rfc3339
from duly.domain.task import Task


class View(StrEnum):
    """How much of a task is shown."""

    FULL = "full"
    DISCREET = "discreet"
    """Without tracebacks."""
    BASIC = "basic"
    """Without payload, result and tracebacks."""


def task_json(task: Task, waiting: str = "null", *, view: View = View.FULL) -> str:
    """The task as ``wire.task.Task`` would be written, in ASCII; ``waiting`` is JSON, a ``wire.task.Waiting``."""
    contents = "" if view is View.BASIC else f'"payload":{task.payload},"result":{task.result or "null"},'
    tags = ",".join(map(quoted, task.tags))
    return (
        f'{{"id":"{task.id_text}","type":{quoted(task.type)},"queue":{quoted(task.queue)},"state":"{task.state.value}",'
        f'"reason":{_text(task.reason)},"priority":{task.priority},{contents}"error":{error_json(task.error, view)},'
        f'"progress":{task.progress or "null"},"attempt":{task.attempt},"failures":{task.failures},'
        f'"max_attempts":{task.max_attempts},"run_at":"{rfc3339(task.run_at)}",'
        f'"created_at":"{rfc3339(task.created_at)}","started_at":{_time(task.started_at)},'
        f'"finished_at":{_time(task.finished_at)},"expires_at":{_time(task.expires_at)},"key":{_text(task.key)},'
        f'"tags":[{tags}],"version":{task.version},"waiting":{waiting}}}'
    )


@lru_cache(maxsize=64)
def waiting_json(reason: str, detail: str, until: datetime | None) -> str:
    """Why a task waits, as ``wire.task.Waiting`` would be written. Remembered for a while: many wait for one reason."""
    return f'{{"reason":{quoted(reason)},"detail":{quoted(detail)},"until":{_time(until)}}}'


def error_json(error: str | None, view: View = View.FULL) -> str:
    """A stored error as it is shown."""
    if error is None or view is View.FULL:
        return error or "null"
    return json.dumps({name: value for name, value in json.loads(error).items() if name != "traceback"})


def story_json(events: Iterable[TaskEvent]) -> str:
    """A task's story as ``wire.story.Story`` would be written."""
    return f'{{"events":[{",".join(map(_event_json, events))}]}}'


def _event_json(event: TaskEvent) -> str:
    return (
        f'{{"version":{event.version},"at":"{rfc3339(event.at)}","kind":"{event.kind}","attempt":{event.attempt},'
        f'"worker":{_text(event.worker)},"detail":{json.dumps(event.detail)}}}'
    )


def _text(text: str | None) -> str:
    return "null" if text is None else quoted(text)


def _time(at: datetime | None) -> str:
    return "null" if at is None else f'"{rfc3339(at)}"'
