"""What may be asked of many tasks at once."""

from dataclasses import dataclass
from datetime import datetime

from duly.domain.state import State
from duly.domain.task import Task, TaskId

MAX_PAGE = 200
MAX_LOOKED_AT = 10_000
"""So many rows are looked at for one page at most, however few of them fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """One page of tasks, newest id first; a filter that is None does not filter."""

    state: State | None = None
    type: str | None = None
    queue: str | None = None
    queues: frozenset[str] | None = None
    """Only tasks of one of these."""
    tag: str | None = None
    key: str | None = None
    created_after: datetime | None = None
    """Inclusive."""
    created_before: datetime | None = None
    """Exclusive."""
    error_type: str | None = None
    before: TaskId | None = None
    """Only tasks with a smaller id: the position of a cursor."""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Tasks that fit, and where to go on. A page may be short, even empty, while ``next`` is set."""

    tasks: tuple[Task, ...]
    next: TaskId | None
