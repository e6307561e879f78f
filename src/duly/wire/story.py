"""A task's story as it is shown."""

from pydantic import BaseModel, Field

from duly.domain.event import Kind
from duly.wire.values import Time


class Event(BaseModel):
    """One thing that happened to a task."""

    version: int = Field(description="The task's version after it. Several events may share one.")
    at: Time
    kind: Kind
    attempt: int
    worker: str | None
    detail: dict[str, str | int | float | bool | None]


class Story(BaseModel):
    """All events of a task, oldest first."""

    events: list[Event]
