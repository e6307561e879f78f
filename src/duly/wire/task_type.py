"""A type of tasks as it is shown."""

from typing import Any

from pydantic import BaseModel, Field

from duly.wire.values import Seconds


class RetryPolicy(BaseModel):
    """How long a failed task waits before it is tried again."""

    initial: Seconds
    factor: float
    longest: Seconds
    jitter: bool = Field(description="Whether the wait is drawn between zero and its bound.")


class Defaults(BaseModel):
    """What holds for a task of the type unless its submission says otherwise."""

    queue: str
    priority: int
    max_attempts: int
    timeout: Seconds | None = Field(description="Of one attempt. Null: as the service is set up.")
    retry: RetryPolicy


class TaskType(BaseModel):
    """A type: what its handler takes and gives."""

    name: str
    description: str
    executor: str = Field(description="async, thread or process: where the handler runs.")
    payload_schema: dict[str, Any] = Field(description="JSON Schema.")
    result_schema: dict[str, Any] = Field(description="JSON Schema.")
    defaults: Defaults


class TaskTypes(BaseModel):
    """Every registered type, by name."""

    types: list[TaskType]
