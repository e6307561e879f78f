"""What a client sends: a task to be done, many of them, or one to be done again."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from duly.domain.task import HIGHEST_PRIORITY, LOWEST_PRIORITY
from duly.wire.values import Seconds, Text, Time

_EXAMPLE: JsonDict = {"type": "text.reverse", "payload": {"text": "hello"}, "priority": 7, "tags": ["demo"]}

Whole = Annotated[int, Field(strict=True)]


class Submit(BaseModel):
    """A task to be done: its type and payload, and what differs from the type's defaults."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    type: Text = Field(description="The name under which a handler is registered.")
    payload: Any = Field(description="What the handler takes; checked against its signature.")
    queue: Text | None = Field(default=None, description="Default: the type's queue.")
    priority: Whole | None = Field(
        default=None, ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY, description="9 first. Default: the type's."
    )
    delay: Seconds | None = Field(default=None, description="Seconds to wait before it may run; at most a year.")
    run_at: Time | None = Field(default=None, description="Not started before. Give this or delay, not both.")
    max_attempts: Whole | None = Field(default=None, description="So many failed attempts end it.")
    timeout: Seconds | None = Field(default=None, description="Seconds that one attempt may take.")
    expires_at: Time | None = Field(default=None, description="If nobody has claimed it by then, it fails.")
    key: Text | None = Field(
        default=None,
        description="Unique per type while the task is not final: the task already there is the answer.",
    )
    tags: tuple[Text, ...] = Field(default=(), description="Words to find it by; at most 20.")
    callback_url: Text | None = Field(
        default=None, description="Told by POST each time that the task has become final; signed (Standard Webhooks)."
    )


class Batch(BaseModel):
    """Up to 1,000 tasks, accepted all or none."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"tasks": [_EXAMPLE]}})

    tasks: list[Submit] = Field(min_length=1)


class Again(BaseModel):
    """How a task is to be done again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"payload": {"text": "once more"}}})

    payload: Any = Field(default=None, description="Replaces the payload, if given.")
