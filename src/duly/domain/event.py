"""A task's story, one event at a time."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from duly.domain.task import TaskId, WorkerId


class Kind(StrEnum):
    """What happened."""

    SUBMITTED = "submitted"
    DUE = "due"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRY_SCHEDULED = "retry_scheduled"
    PUT_BACK = "put_back"
    LEASE_LOST = "lease_lost"
    WRITE_REFUSED = "write_refused"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    EXPIRED = "expired"


Detail = dict[str, str | int | float | bool | None]
"""Facts that go with an event, as JSON values: reason, error type and message, the time of the next run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One event. ``version`` is the task's version after it; several events may share one."""

    task_id: TaskId
    version: int
    at: datetime
    kind: Kind
    attempt: int
    worker: WorkerId | None = None
    detail: Detail = field(default_factory=dict[str, str | int | float | bool | None])
