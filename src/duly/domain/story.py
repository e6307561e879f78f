"""A task's story, told from its row and from what was out of the ordinary.

The ordinary path writes no events: a submit, a promotion, a claim and a completion leave only the row. Every other
change stores an event, so the versions that no event covers can only be those, and are told here.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from duly.domain.event import Kind, TaskEvent
from duly.domain.state import State
from duly.domain.task import Task


def tell(task: Task, stored: Sequence[TaskEvent]) -> list[TaskEvent]:
    """All events of the task, oldest first; of the same version, in the order in which they happened."""
    events = [_submitted(task)]
    changes = sorted((e for e in stored if e.kind is not Kind.WRITE_REFUSED), key=lambda e: e.version)
    for event in changes:
        events.extend(_between(task, events[-1], event.version, event))
        events.append(event)
    events.extend(_between(task, events[-1], task.version + 1, None))
    refused = [e for e in stored if e.kind is Kind.WRITE_REFUSED]
    return sorted(events + refused, key=lambda event: event.version)


def _submitted(task: Task) -> TaskEvent:
    return TaskEvent(task_id=task.id, version=1, at=task.created_at, kind=Kind.SUBMITTED, attempt=0)


def _between(task: Task, last: TaskEvent, until: int, following: TaskEvent | None) -> Iterator[TaskEvent]:
    """The untold versions between the last event and the version ``until``: due, claimed, completed.

    Counted from the end: a completion is last, the claim before it, and only then, if a version is left, it was due.
    """
    versions = range(last.version + 1, until)
    kinds = _kinds(task, last, following)[-len(versions) :] if versions else []
    due = [Kind.DUE] * (len(versions) - len(kinds))
    for version, kind in zip(versions, due + kinds, strict=True):
        yield _told(task, version, kind, last, following)


def _kinds(task: Task, last: TaskEvent, following: TaskEvent | None) -> list[Kind]:
    claimed = [Kind.CLAIMED] if _was_claimed(task, last, following) else []
    completed = [Kind.COMPLETED] if _was_completed(task, following) else []
    return claimed + completed


def _was_claimed(task: Task, last: TaskEvent, following: TaskEvent | None) -> bool:
    attempt = task.attempt if following is None else following.attempt
    return attempt > last.attempt


def _was_completed(task: Task, following: TaskEvent | None) -> bool:
    if following is None:
        return task.state is State.COMPLETED
    return following.kind is Kind.RETRIED and following.detail.get("from") == State.COMPLETED


def _told(task: Task, version: int, kind: Kind, last: TaskEvent, following: TaskEvent | None) -> TaskEvent:
    attempt = last.attempt if kind is Kind.DUE else task.attempt if following is None else following.attempt
    worker = None if kind is Kind.DUE else task.worker if following is None else following.worker
    at = _time_of(task, kind, last, following)
    return TaskEvent(task_id=task.id, version=version, at=at, kind=kind, attempt=attempt, worker=worker)


def _time_of(task: Task, kind: Kind, last: TaskEvent, following: TaskEvent | None) -> datetime:
    match kind:
        case Kind.COMPLETED:
            known = task.finished_at if following is None else _parsed(following, "finished_at")
        case Kind.CLAIMED:
            known = task.started_at if following is None else _parsed(following, "started_at")
        case _:
            return _due_at(task, last, following)
    return known or (last.at if following is None else following.at)


def _due_at(task: Task, last: TaskEvent, following: TaskEvent | None) -> datetime:
    """When it was to run, but not later than what followed: somebody may have said "run now"."""
    planned = task.run_at if following is None else _parsed(last, "run_at") or task.run_at
    if _was_claimed(task, last, following):
        planned = min(planned, _time_of(task, Kind.CLAIMED, last, following))
    elif following is not None:
        planned = min(planned, following.at)
    return max(planned, last.at)


def _parsed(event: TaskEvent, name: str) -> datetime | None:
    text = event.detail.get(name)
    return datetime.fromisoformat(text) if isinstance(text, str) else None
