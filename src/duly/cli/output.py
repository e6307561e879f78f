"""What commands print, for people and for programs."""

import json
import sys
from collections.abc import Sequence

from pydantic import BaseModel

from duly.cli.table import shown, table
from duly.domain.state import State
from duly.wire.overview import Queue
from duly.wire.story import Event
from duly.wire.task import Task


def say(text: str) -> None:
    """One or more lines to standard output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """One or more lines to standard error."""
    sys.stderr.write(text + "\n")


def say_json(model: BaseModel) -> None:
    """One JSON document, as the HTTP surface has it."""
    say(as_json(model))


def say_many_json(plural: str, models: Sequence[BaseModel]) -> None:
    """A list under its plural, as the HTTP surface has it."""
    say(f"{{{json.dumps(plural)}:[{','.join(map(as_json, models))}]}}")


def as_json(model: BaseModel) -> str:
    """In ASCII, so that any terminal and any locale can print it."""
    return json.dumps(model.model_dump(mode="json"))


def task_table(tasks: Sequence[Task]) -> str:
    """Tasks, one a line."""
    heads = ("ID", "TYPE", "QUEUE", "STATE", "ATTEMPT", "CREATED (UTC)", "NOTE")
    rows = [(t.id, t.type, t.queue, t.state, t.attempt, t.created_at, _note(t)) for t in tasks]
    return table(heads, rows)


def queue_table(queues: Sequence[Queue]) -> str:
    """Queues, one a line."""
    heads = ("QUEUE", "PAUSED", "PENDING", "RUNNING", "SCHEDULED", "OLDEST", "IN/S", "OUT/S")
    return table(
        heads,
        [
            (
                q.name,
                "yes" if q.paused else "-",
                q.pending,
                q.running,
                q.scheduled,
                q.oldest_pending_age,
                f"{q.in_rate:.2f}",
                f"{q.out_rate:.2f}",
            )
            for q in queues
        ],
    )


def task_sheet(task: Task, story: Sequence[Event]) -> str:
    """Everything about one task."""
    facts = {
        "id": task.id,
        "type": task.type,
        "state": f"{task.state} ({task.reason})" if task.reason else task.state,
        "waiting": None if task.waiting is None else f"{task.waiting.reason}: {task.waiting.detail}",
        "queue": task.queue,
        "priority": task.priority,
        "attempts": f"{task.attempt} ({task.failures} of {task.max_attempts} failures)",
        "key": task.key,
        "tags": task.tags,
        "created": task.created_at,
        "run at": task.run_at,
        "started": task.started_at,
        "finished": task.finished_at,
        "progress": None if task.progress is None else f"{task.progress.fraction} {task.progress.note}",
        "payload": json.dumps(task.payload),
        "result": None if task.result is None else json.dumps(task.result),
        "error": _error(task),
    }
    sheet = "\n".join(f"{name + ':':<11}{shown(value)}" for name, value in facts.items() if value not in (None, []))
    return f"{sheet}\n\n{_story(story)}"


def task_end(task: Task) -> str:
    """A task that has ended, and what came of it: its result, or its whole error."""
    came = {State.COMPLETED: ("result", json.dumps(task.result)), State.FAILED: ("error", _error(task))}
    name, value = came.get(task.state, ("reason", task.reason))
    return f"{task_table([task])}\n\n{name}: {shown(value)}"


def _story(events: Sequence[Event]) -> str:
    heads = ("WHEN (UTC)", "WHAT", "ATTEMPT", "WORKER", "DETAIL")
    rows = [
        (e.at, e.kind, e.attempt, e.worker, "; ".join(f"{name}={value}" for name, value in e.detail.items()))
        for e in events
    ]
    return table(heads, rows)


def _note(task: Task) -> object:
    if task.waiting is not None:
        return task.waiting.detail
    if task.error is not None:
        return str(_error(task))[:80]
    return task.reason or ""


def _error(task: Task) -> str | None:
    return None if task.error is None else f"{task.error.type}: {task.error.message}"
