"""A task as it is shown."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from duly.domain.state import Reason, State
from duly.wire.values import Time

_EXAMPLE: JsonDict = {
    "id": "01936b1c-6a3e-7d1b-9c3e-2f6d1c0a9b55",
    "type": "text.reverse",
    "queue": "default",
    "state": "completed",
    "reason": None,
    "priority": 5,
    "payload": {"text": "hello"},
    "result": {"text": "olleh"},
    "error": None,
    "progress": None,
    "attempt": 1,
    "failures": 0,
    "max_attempts": 5,
    "run_at": "2026-11-22T10:30:00.123456Z",
    "created_at": "2026-11-22T10:30:00.123456Z",
    "started_at": "2026-11-22T10:30:00.125501Z",
    "finished_at": "2026-11-22T10:30:00.131002Z",
    "expires_at": None,
    "key": None,
    "tags": [],
    "version": 3,
    "waiting": None,
}


class TaskError(BaseModel):
    """Why an attempt failed."""

    type: str = Field(description="The class of the exception.")
    message: str
    traceback: str | None = Field(default=None, description="Left out for those who may not control tasks.")
    attempt: int
    at: Time
    retryable: bool = Field(description="Whether the task is tried again.")


class Progress(BaseModel):
    """What a running handler says of its work."""

    fraction: float | None = Field(default=None, description="How much is done, 0 to 1.")
    note: str = ""


class Waiting(BaseModel):
    """Why a task is not running yet, as far as it can be known now."""

    reason: str = Field(
        description="not_due, retry_wait, queue_paused, no_worker, no_handler, behind_others or rate_limited"
    )
    detail: str
    until: Time | None = None


class Task(BaseModel):
    """A task and its whole life."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: str = Field(description="UUIDv7", json_schema_extra={"format": "uuid"})
    type: str
    queue: str
    state: State
    reason: Reason | None = Field(description="Why it is in this state, where that is not plain.")
    priority: int = Field(description="0 to 9, 9 first.")
    payload: Annotated[Any, Field(description="Left out of lists with view=basic.")] = None
    result: Annotated[Any, Field(description="Null until completed. Left out of lists with view=basic.")] = None
    error: TaskError | None = Field(description="The last failure.")
    progress: Progress | None
    attempt: int = Field(description="How often it was claimed. Never goes down.")
    failures: int = Field(description="Attempts that failed by the handler's fault.")
    max_attempts: int = Field(description="So many failures end it.")
    run_at: Time = Field(description="Not started before.")
    created_at: Time
    started_at: Time | None = Field(description="When the last attempt began.")
    finished_at: Time | None
    expires_at: Time | None = Field(description="If nobody has claimed it by then, it fails.")
    key: str | None = Field(description="Unique per type while not final.")
    tags: list[str]
    version: int = Field(description="Counts changes. Never goes down.")
    waiting: Waiting | None = Field(description="Why it does not run yet. Computed at the read, no part of the ETag.")


class Tasks(BaseModel):
    """The tasks of a batch, in its order."""

    tasks: list[Task]


class TaskPage(BaseModel):
    """One page of tasks, newest first."""

    tasks: list[Task]
    next: str | None = Field(description="The cursor of the next page. Null at the end.")
