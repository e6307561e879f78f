"""What a callback says: the body that is sent to a task's ``callback_url``, as Standard Webhooks has it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from duly.domain.state import Reason
from duly.wire.values import Time


class Failed(BaseModel):
    """Why the last attempt failed."""

    type: str = Field(description="The class of the exception.")
    message: str
    attempt: int
    at: Time
    retryable: bool


class Ended(BaseModel):
    """The task at its end, without its payload."""

    id: str = Field(description="UUIDv7", json_schema_extra={"format": "uuid"})
    type: str
    queue: str
    state: Literal["completed", "failed", "cancelled"]
    reason: Reason | None
    error: Failed | None
    attempt: int
    failures: int
    created_at: Time
    started_at: Time | None
    finished_at: Time
    key: str | None
    tags: list[str]
    version: int = Field(description="Which end of the task it is: that with the higher version is the later one.")
    result: Annotated[Any, Field(description="Left out when it is over 16 kB: ask for it.")] = None


class CallbackEvent(BaseModel):
    """One end of a task."""

    type: Literal["task.completed", "task.failed", "task.cancelled"]
    timestamp: Time = Field(description="When the task ended.")
    data: Ended
