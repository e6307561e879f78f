"""Tasks, made fast: every claim and every settle makes one, and a constructor of thirty fields takes its time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from duly.domain.task import Task

__all__ = ["UNTOUCHED", "changed", "made", "new", "of"]

UNTOUCHED: Mapping[str, object] = {
    "reason": None,
    "attempt": 0,
    "failures": 0,
    "crashes": 0,
    "version": 1,
    "progress_seq": 0,
    "progress": None,
    "result": None,
    "error": None,
    "cancelling": False,
    "token": None,
    "worker": None,
    "lease_until": None,
    "started_at": None,
    "finished_at": None,
}
"""What a task is before anything has happened to it."""

if TYPE_CHECKING:
    from dataclasses import replace as changed

    made = new = Task

    def of(values: dict[str, object]) -> Task:
        """What ``Task`` makes of these values, which become its own; all fields must be given."""
        ...
else:
    _set, _new = object.__setattr__, object.__new__

    def of(values: dict[str, object]) -> Task:
        """What ``Task`` makes of these values, which become its own; all fields must be given."""
        task = _new(Task)
        _set(task, "__dict__", values)
        return task

    def new(**values: object) -> Task:
        """What ``Task`` makes of these values and of UNTOUCHED; all other fields must be given."""
        return of({**UNTOUCHED, **values})

    def made(**values: object) -> Task:
        """What ``Task`` makes of these values; all fields must be given."""
        return of(values)

    def changed(task: Task, /, **values: object) -> Task:
        """What ``dataclasses.replace`` gives."""
        return of({**vars(task), **values})
